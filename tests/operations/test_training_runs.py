"""Where the training runs are shown, whatever MLflow answers. On a real server: test_platform.py."""

import httpx
import pytest

from database.settings import Settings
from operations.training_runs import training_runs_address


def test_an_mlflow_that_is_away_has_an_address_all_the_same(settings: Settings) -> None:
    assert training_runs_address(settings) == settings.tracking_uri


@pytest.mark.parametrize(
    ("status", "body", "page"),
    [
        (200, '{"experiment": {"experiment_id": "7"}}', "/#/experiments/7/runs"),
        (200, "<html>Sign in</html>", ""),
        (200, "[]", ""),
        (200, '{"experiment": null}', ""),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}', ""),
    ],
)
def test_the_page_of_the_runs_is_named_where_there_is_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, status: int, body: str, page: str
) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status, text=body))
    assert training_runs_address(settings) == settings.tracking_uri + page


def test_a_slash_at_the_end_of_the_address_and_one_that_is_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = settings.model_copy(update={"mlflow_tracking_uri": "http://[mlflow"})
    assert training_runs_address(other) == "http://[mlflow"
    asked: list[str] = []

    def answer(address: str, **_: object) -> httpx.Response:
        asked.append(address)
        return httpx.Response(200, text='{"experiment": {"experiment_id": "7"}}')

    monkeypatch.setattr(httpx, "get", answer)
    other = settings.model_copy(update={"mlflow_tracking_uri": "https://mlflow.example/"})
    assert training_runs_address(other) == "https://mlflow.example/#/experiments/7/runs"
    assert asked == ["https://mlflow.example/api/2.0/mlflow/experiments/get-by-name"]
