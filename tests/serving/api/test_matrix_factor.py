"""Matrix factorisation, semantic search, training and status."""

from typing import Any

import httpx
import pytest

from client import AsyncShortlist, NotFound, ServiceFailed
from tests.serving.api.fake_airflow import FakeAirflow


async def test_similar_items_have_exactly_the_documents_fields(shortlist: AsyncShortlist) -> None:
    items = await shortlist.similar_items("PRODUCT001", n=1)
    assert items == [{"item_id": "PRODUCT002", "score": 1.0, "title": "Red mug 2", "image_url": None}]


async def test_similar_to_an_unknown_item_is_404(shortlist: AsyncShortlist) -> None:
    with pytest.raises(NotFound):
        await shortlist.similar_items("nothing")


async def test_before_the_first_bundle_similar_is_503_and_says_what_to_do(
    http: httpx.AsyncClient, plane: Any
) -> None:
    plane.trained = False
    answer = await http.post("/matrix_factor/similar", json={"item_id": "PRODUCT001"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_trained")
    assert "retry-after" in answer.headers


async def test_items_for_a_stranger_are_an_answer_not_an_error(shortlist: AsyncShortlist) -> None:
    items = await shortlist.items_for_user("stranger", n=2, filter_already_liked=False, explain=True)
    assert [item["model"] for item in items] == ["popular", "popular"]


async def test_search_has_exactly_the_documents_fields(shortlist: AsyncShortlist) -> None:
    results = await shortlist.semantic_search("washing machine", top_k=1)
    assert results == [{"product_id": "PRODUCT001", "title": "Red mug 1", "score": 1.0, "image_url": None}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/search", {"query": " "}, 400),
        ("/search", {"query": "mug", "top_k": 0}, 422),
        ("/search", {}, 422),
        ("/matrix_factor/similar", {"item_id": ""}, 422),
        ("/matrix_factor/similar", {"item_id": "a\u0000b"}, 422),
        ("/matrix_factor/user", {"user_id": "x" * 129}, 422),
        ("/matrix_factor/user", {"user_id": "a", "n": 1001}, 422),
        ("/training", {"model_type": "als"}, 422),
    ],
)
async def test_bad_bodies(http: httpx.AsyncClient, path: str, body: Any, status: int) -> None:
    assert (await http.post(path, json=body)).status_code == status


async def test_training_what_is_trained_answers_success_with_its_figures(
    shortlist: AsyncShortlist, airflow: Any
) -> None:
    answer = await shortlist.train_model("mf")
    assert answer["status"] == "success"
    assert answer["message"] == "Matrix Factorization model trained successfully"
    assert answer["stats"]["n_factors"] == 128
    assert airflow.triggered == []


async def test_forced_training_starts_a_run_whose_state_status_follows(
    http: httpx.AsyncClient, shortlist: AsyncShortlist, airflow: Any
) -> None:
    answer = await http.post("/training", json={"model_type": "ss", "force_retrain": True})
    assert (answer.status_code, answer.json()["run_id"]) == (202, "manual__1")
    assert airflow.triggered == [{"logical_date": None, "conf": {"model_type": "ss", "force": True}}]
    assert (await shortlist.status())["training"]["status"] == "running"
    airflow.runs[0]["state"] = "success"
    assert (await shortlist.status())["training"]["status"] == "success"


async def test_a_run_that_waits_is_not_started_twice(shortlist: AsyncShortlist, airflow: Any) -> None:
    first = await shortlist.train()
    airflow.runs[0]["state"] = "queued"
    assert (await shortlist.train())["run_id"] == first["run_id"]
    assert len(airflow.triggered) == 1


async def test_a_waiting_run_that_would_skip_is_not_enough_for_a_forced_one(
    http: httpx.AsyncClient, airflow: Any
) -> None:
    unforced = {"retrain_cf": False, "regenerate_embeddings": False}
    first = (await http.post("/training/train", json=unforced)).json()
    airflow.runs[0]["state"] = "queued"
    assert (await http.post("/training/train", json=unforced)).json()["run_id"] == first["run_id"]
    assert (await http.post("/training/train", json={})).json()["run_id"] != first["run_id"]
    assert [run["conf"]["force"] for run in airflow.triggered] == [False, True]


async def test_training_without_airflow_is_503_that_says_so(http: httpx.AsyncClient, airflow: Any) -> None:
    airflow.reachable = False
    for method, path, body in [
        ("POST", "/training", {"model_type": "mf", "force_retrain": True}),
        ("POST", "/training/train", {}),
        ("GET", "/training/status", None),
    ]:
        answer = await http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "airflow_unavailable")
        assert "Airflow is not reachable at http://127.0.0.1:8080" in answer.json()["detail"]


async def test_status_stands_without_airflow(shortlist: AsyncShortlist, airflow: Any) -> None:
    airflow.reachable = False
    status = await shortlist.status()
    assert status["training"]["status"] == "unknown"
    assert status["matrix_factorization"]["status"] == "trained"


async def test_training_status_of_one_run(shortlist: AsyncShortlist) -> None:
    assert (await shortlist.training_status())["status"] == "idle"
    run_id = (await shortlist.train())["run_id"]
    status = await shortlist.training_status(run_id)
    assert (status["run_id"], status["status"], status["bundle"]) == (run_id, "running", "bundle-1")
    with pytest.raises(NotFound):
        await shortlist.training_status("manual__9")


async def test_an_old_token_is_renewed(shortlist: AsyncShortlist, airflow: Any) -> None:
    await shortlist.train()
    airflow.tokens += 1
    assert (await shortlist.training_status())["status"] == "running"


async def test_a_failing_airflow_is_a_failed_service_to_the_client(
    http: httpx.AsyncClient, airflow: Any
) -> None:
    airflow.reachable = False
    async with AsyncShortlist("http://localhost", transport=http._transport, attempts=1) as shortlist:
        with pytest.raises(ServiceFailed, match="Airflow"):
            await shortlist.train()


async def test_a_paused_training_says_so(http: httpx.AsyncClient, airflow: FakeAirflow) -> None:
    airflow.paused = True
    for path, body in (
        ("/training", {"model_type": "mf", "force_retrain": True}),
        ("/training/train", {"retrain_cf": True, "regenerate_embeddings": True}),
    ):
        answer = await http.post(path, json=body)
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "training_paused"
        assert "paused in Airflow" in answer.json()["detail"]
    assert airflow.triggered == []


async def test_a_status_says_what_keeps_the_nights_from_training(
    shortlist: AsyncShortlist, http: httpx.AsyncClient, airflow: FakeAirflow
) -> None:
    for runs in (0, 1):
        assert (await shortlist.training_status())["message"] is None
        airflow.paused = True
        for status in (await shortlist.training_status(), (await shortlist.status())["training"]):
            assert "paused in Airflow: switch it on at http://127.0.0.1:8080/dags/" in str(status["message"])
            assert status["status"] == ("running" if runs else "idle")
        airflow.paused = False
        await shortlist.train()
    airflow.deleted = True
    assert "has no daily_training" in (await shortlist.status())["training"]["message"]
    for method, path, body in (
        ("GET", "/training/status", None),
        ("POST", "/training/train", {"retrain_cf": True, "regenerate_embeddings": True}),
    ):
        answer = await http.request(method, path, json=body)
        assert answer.status_code == 503 and "has no daily_training" in answer.json()["detail"]
    assert len(airflow.triggered) == 2
