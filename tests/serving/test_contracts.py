"""Every example of the original API specifications, to a real service on two workers with a real bundle."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from click.testing import CliRunner

from benchmarks.contracts import Answer, as_page, read_examples, send_all
from client import NotFound, Shortlist
from database.connection import connect
from database.ingest.adapters import ADAPTERS
from database.ingest.run import ingest_file
from database.settings import get_settings
from serving.articles import cli
from training.params.encoder import default_encoder
from training.pipeline.steps import STEPS, run_steps

pytestmark = [
    pytest.mark.platform,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl commands"),
    # of MLflow's and BentoML's own dependencies, which here run in the test's process
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]

NAMED = """
insert into items (item_id, kind, title, category, sub_category, price, change_seq)
values ('B08C9LPCQV', 'product', 'Dryer thermal cut-off kit', 'Appliances', 'Dryers', 9, 1),
    ('B087Z26VJP', 'product', 'Washer', 'Appliances', 'Washing machines', 99, 1),
    ('B08CF3D7QR', 'product', 'Wireless headphones', 'Electronics', 'Audio', 59.99, 1);
insert into users (user_id) values ('AFQLNQNQYFWQZPJQZS6V3NZU4QBQ');
insert into interactions (user_id, item_id, event_type, value, session_id, occurred_at, source)
select 'user' || u, item, 'purchase', 1, 'named-' || u, now() - make_interval(days => 100 + u), 'shop'
from generate_series(0, 29) u, unnest(array['B08C9LPCQV', 'B087Z26VJP', 'B08CF3D7QR']) item
union all select 'AFQLNQNQYFWQZPJQZS6V3NZU4QBQ', 'B08C9LPCQV', 'purchase', 1, 'named', now(), 'shop';
"""
"""The items and the user that the specifications' examples name."""


@contextmanager
def stand_in_airflow() -> Iterator[str]:
    """An Airflow that takes requests for runs, and runs none; gives its address."""
    runs: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = {"access_token": "token"}
            self.say(token if self.path == "/auth/token" else {"dag_runs": runs[-1:]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            run = {"dag_run_id": f"manual__{len(runs) + 1}", "state": "running", "conf": asked["conf"]}
            runs.append({**run, "start_date": datetime.now(UTC).isoformat(), "end_date": None})
            self.say(runs[-1])

        def say(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def address(slow_plane: Any, run_service: Any) -> Iterator[str]:
    """Two workers on a bundle that the daily run's own steps have made."""
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute(NAMED)
    conn.close()
    run_steps(list(STEPS))
    samples = CliRunner().invoke(cli, ["populate", "--yes"])
    assert "12 created" in samples.output, samples.output
    with stand_in_airflow() as airflow, run_service({"SHORTLIST_AIRFLOW_URL": airflow}) as running:
        yield running.address


def test_every_example_is_answered_as_its_document_says(
    address: str, slow_plane: Any, tmp_path: Path
) -> None:
    answers = send_all(address, read_examples())
    if page := os.environ.get("SHORTLIST_CONTRACTS_PAGE"):
        Path(page).write_text(as_page(answers), encoding="utf-8")
    wrong = [(a.example.method, a.path, a.status, a.body) for a in answers if a.status != a.example.status]
    assert wrong == []
    check_shapes({(answer.example.method, answer.example.path, answer.status): answer for answer in answers})
    check_clicks_make_lists(address)
    check_every_worker_sees(address, tmp_path)


def check_shapes(by_request: dict[tuple[str, str, int], Answer]) -> None:
    """The fields that the specifications show."""
    status = by_request["GET", "/status", 200].json
    assert status["database"]["n_products"] == 43
    assert status["matrix_factorization"]["status"] == "trained"
    assert status["similarity_search"]["embedding_dimension"] == 384
    similar = by_request["POST", "/matrix_factor/similar", 200].json["recommendations"]
    assert similar[0].keys() == {"item_id", "score", "title", "image_url"}
    found = by_request["POST", "/search", 200].json["results"]
    assert (found[0]["product_id"], found[0].keys()) == (
        "B087Z26VJP",
        {"product_id", "title", "score", "image_url"},
    )
    content = by_request["GET", "/content/content456", 200].json
    assert len(content["embedding_vector"]) == 384
    recommended = by_request["POST", "/recommendations/", 200].json["recommendations"]
    assert recommended[0].keys() == {"content_id", "title", "category", "score", "method"}
    assert "tut1" not in [entry["content_id"] for entry in recommended]
    home = by_request["GET", "/recommendations/home?user_id=user123&response_limit=20", 200].json
    assert home.keys() == {"personalized", "trending", "best_value", "top_categories", "diverse_picks"}
    events = by_request["GET", "/api/v1/interactions/interactions/user123?days=30", 200].json
    assert len(events["interactions"]) == 4
    assert by_request["POST", "/api/v1/interactions/interactions", 200].body == ""


def check_clicks_make_lists(address: str) -> None:
    """Two people who never bought get the lists of those with whom they share clicks, at once."""
    with Shortlist(address) as shortlist:
        for user, first in (("lampfan", 0), ("chairfan", 20)):
            for number in range(first, first + 6):
                shortlist.click(user, f"ITEM{number:06}")
        for user, word in (("lampfan", "lamp"), ("chairfan", "chair")):
            factors = shortlist.items_for_user(user, n=5, explain=True)
            assert {item.get("model") for item in factors} == {"als"}
            assert all(word in str(item["title"]) and item.get("reason") for item in factors)
            hybrid = shortlist.recommend_content(user, n=5, kind="product")
            assert {item["method"] for item in hybrid} == {"hybrid"}
            assert all(word in str(item["title"]) for item in hybrid)
            assert word in str(shortlist.home(user, limit=1)["personalized"][0]["name"])


def check_every_worker_sees(address: str, folder: Path) -> None:
    """What is written is seen by whichever worker answers: each read is on a connection of its own."""

    def every(path: str) -> list[httpx.Response]:
        return [httpx.get(address + path, timeout=30) for _ in range(8)]

    with Shortlist(address) as shortlist:
        article = shortlist.create_article("Lace", "knots and pins")
        assert {answer.status_code for answer in every(f"/api/articles/{article['id']}")} == {200}
        shortlist.change_article(article["id"], title="Bobbin lace")
        assert {answer.json()["title"] for answer in every(f"/api/articles/{article['id']}")} == {
            "Bobbin lace"
        }
        shortlist.delete_article(article["id"])
        assert {answer.status_code for answer in every(f"/api/articles/{article['id']}")} == {404}
        with pytest.raises(NotFound):
            shortlist.article(article["id"])
    file = folder / "products.csv"
    file.write_text(
        "id,name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price,"
        "discount_ratio\n"
        "TEACOSY001,Knitted tea cosy,home,Kitchen,,,4.5,10,5.0,10.0,0.5\n"
    )
    with connect(get_settings()) as conn:
        report = ingest_file(conn, ADAPTERS["products"], file, encoder=default_encoder())
    assert report.rows_loaded == 1
    for answer in every("/recommendations/search?query=something+to+keep+tea+warm"):
        assert answer.json()["results"][0]["id"] == "TEACOSY001"
    assert {answer.status_code for answer in every("/recommendations/product/TEACOSY001")} == {200}
