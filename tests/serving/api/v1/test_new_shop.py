"""A new shop with UUID users and numeric items, from an empty platform to lists, through /v1 alone.

It is run by the code of docs/quickstart-shop.md, and its page by docs/quickstart-shop.js.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

import client
from database import deployments
from database.connection import connect, create_pool
from database.export import export_snapshot
from database.settings import REPOSITORY, Settings
from serving.api.airflow_runs import Airflow
from serving.api.app import create_app
from serving.plane import LivePlane
from tests.serving.api.conftest import _server
from tests.serving.api.fake_airflow import FakeAirflow
from tests.serving.api.v1.checks import eventually
from tests.serving.words import BagOfWords
from tests.serving.worker import write_bundle
from training.data.preparation import prepare
from training.data.snapshot import read_watermark
from training.params import Params

DOCS = REPOSITORY / "docs"
ORIGIN = "https://shop.example"
WORDS = {"Tea": "pot cosy towel strainer caddy tray", "Garden": "spade hose gloves gnome lamp fork"}
ITEMS = [
    {
        "id": str(1095270 + 10 * place + number),
        "title": f"{category} {word}",
        "price": 2.5 + number,
        "categories": [f"Home > {category}"],
    }
    for place, (category, words) in enumerate(WORDS.items())
    for number, word in enumerate(words.split())
]
TEA, GARDEN = [each["id"] for each in ITEMS[:6]], [each["id"] for each in ITEMS[6:]]
USERS = [str(UUID(int=number + 2**100, version=4)) for number in range(24)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("new-shop")


@pytest.fixture(scope="module")
def address(live_settings: Settings, small_params: Params, folder: Path) -> Iterator[str]:
    """A worker of an empty platform with keys, whose pages may call it."""
    settings = live_settings.model_copy(
        update={
            "api_keys": SecretStr("secret"),
            "public_keys": SecretStr("page"),
            "cors_origins": ORIGIN,
        }
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[LivePlane]:
        async with await create_pool(1, 4, settings) as pool:
            plane = await LivePlane.open(
                pool, small_params, encoder=BagOfWords(), locate=lambda tag: folder / tag
            )
            try:
                yield plane
            finally:
                await plane.close()

    airflow = Airflow(settings, httpx.MockTransport(FakeAirflow()))
    with _server(create_app(opened, settings, airflow)) as found:
        yield found


@pytest.fixture(scope="module")
def quickstart(address: str) -> Iterator[dict[str, Any]]:
    """The names that the code of the page defines."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "quickstart-shop.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "shortlist_client", client)
        exec(compile(code.replace("http://127.0.0.1:3000", address), "quickstart-shop.md", "exec"), names)
    with names["shop"]:
        yield names


def ids(made: Any) -> list[str]:
    return [each["id"] for each in made["items"]]


def train(settings: Settings, params: Params, folder: Path) -> None:
    """What a night does, without its DAG: a snapshot, the models on it, a bundle in service."""
    snapshot = folder / "snapshot"
    snapshot.mkdir()
    with connect(settings) as conn:
        seq = read_watermark(conn)["catalogue_seq"]
        export_snapshot(conn, snapshot)
        data = prepare(snapshot, params.interactions, BagOfWords.name).training_data()
        write_bundle(folder / "first", data, params, seq)
        deployments.activate(conn, "first", "first", {}, "test")


def test_a_new_shop_comes_from_nothing_to_lists_of_its_own(
    quickstart: dict[str, Any],
    address: str,
    live_settings: Settings,
    small_params: Params,
    folder: Path,
) -> None:
    shop = quickstart["shop"]
    assert quickstart["home"]()["items"] == []
    assert quickstart["load"](ITEMS)["stored"] == 12
    assert len(ids(quickstart["home"]())) == 12 and quickstart["home"]()["fallback"] == "popular"
    assert quickstart["search"]("tea pot", cheaper_than=4)["items"][0]["id"] == TEA[0]
    for number, user in enumerate(USERS):
        own = (TEA, GARDEN)[number % 2]
        lines = [(own[(number + step) % 6], 1, 2.5) for step in range(4)]
        lines.append((lines[0][0], 2, 2.0))  # more of the same, at another price
        for _ in range(2):  # a retry, which counts once
            quickstart["bought"](user, f"order-{number}", lines)
    in_session = quickstart["home"](session=[{"item_id": TEA[1]}])
    assert TEA[2] in ids(in_session) and "fallback" not in in_session
    with connect(live_settings) as conn, conn.cursor() as cursor:

        def vectors() -> bool:
            cursor.execute("select count(*) = 12 from embeddings")
            return bool((cursor.fetchone() or [False])[0])

        eventually(vectors)
        cursor.execute("select count(*) from interactions")
        assert cursor.fetchone() == (5 * len(USERS),)
    train(live_settings, small_params, folder)
    made = eventually(lambda: (found := quickstart["home"](USERS[0]))["bundle"] == "first" and found)
    left = set(TEA) - {TEA[step] for step in range(4)}
    assert set(ids(made)[:2]) == left  # the rest of what users like them buy
    page = quickstart["product"](TEA[0])
    assert page["item"]["title"] == "Tea pot" and set(ids(page["similar"])[:5]) == set(TEA[1:])
    assert set(ids(page["bought_together"])) <= set(TEA) and ids(page["bought_together"])
    assert set(ids(quickstart["cart"]([GARDEN[0], GARDEN[1]]))) == set(GARDEN[2:])
    only = shop.recommend(USERS[1], filter='price < 5 and categories = "Home > Tea"', n=12)
    assert set(ids(only)) == set(TEA[:3])
    quickstart["changed"](TEA[4], availability={"stock": 0})
    assert TEA[4] not in ids(quickstart["home"](USERS[0]))
    quickstart["load"]([{"id": "2000001", "title": "Tea infuser", "price": 3.0}])
    assert "2000001" in ids(quickstart["search"]("infuser"))
    assert ids(quickstart["product"]("2000001")["similar"])  # at once
    quickstart["viewed"]("visitor-7", TEA[5], made["recommendation_id"])
    quickstart["signed_in"](USERS[0], "visitor-7")
    shown = eventually(lambda: {each["name"]: each for each in shop.list_metrics(hours=24)["lists"]})
    eventually(lambda: {each["name"]: each["clicks"] for each in shop.list_metrics()["lists"]}["recommend"])
    assert "recommend" in shown


PAGE = """
import { shortlist } from "./quickstart-shop.mjs";
const beacons = [];
Object.defineProperty(globalThis, "navigator", { configurable: true, value: { sendBeacon: (url, text) => {
  beacons.push(fetch(url, { method: "POST", body: text, headers: { "Content-Type": "text/plain" } }));
  return true;
}}});
const shop = shortlist(process.argv[2], "page", "visitor-9");
const found = await shop.search("spade");
shop.log("view", found.items[0].id, found.recommendation_id);
const answers = await Promise.all(beacons);
shop.log("newsletter");
const home = await shop.home();
const other = shortlist(process.argv[2], "page", "visitor-10");
other.log("remove_from_cart", found.items[0].id);
const left = await other.home();
const lists = [home, left].map((each) => [each.items.length, each.fallback ?? null]);
console.log(JSON.stringify([found.items[0].title, answers.map((each) => each.status), lists]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_the_page_works_with_its_public_key(address: str, quickstart: dict[str, Any], tmp_path: Path) -> None:
    quickstart["load"](ITEMS)
    shutil.copyfile(DOCS / "quickstart-shop.js", tmp_path / "quickstart-shop.mjs")
    (tmp_path / "page.mjs").write_text(PAGE)
    command = ["node", str(tmp_path / "page.mjs"), address]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout) == ["Garden spade", [200], [[12, None], [12, "popular"]]]


def test_a_page_of_an_allowed_origin_may_call_and_no_other(address: str) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key,content-type",
    }
    allowed = httpx.options(f"{address}/v1/recommend", headers={"Origin": ORIGIN, **asked})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "x-api-key" in allowed.headers["Access-Control-Allow-Headers"].lower()
    other = httpx.options(f"{address}/v1/recommend", headers={"Origin": "https://other.example", **asked})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_only_a_public_key_is_taken_from_the_url_and_only_for_events(address: str) -> None:
    event = json.dumps({"type": "view", "item_id": "1", "anonymous_id": "v"})
    headers = {"Content-Type": "text/plain"}

    def status(path: str, key: str) -> int:
        return httpx.post(f"{address}{path}?api_key={key}", content=event, headers=headers).status_code

    assert [status("/v1/events", key) for key in ("page", "secret", "")] == [200, 401, 401]
    assert status("/v1/items:batch", "page") == 401
