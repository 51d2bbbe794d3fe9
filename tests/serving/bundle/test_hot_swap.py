"""The service as two workers under load, in an experiment: bundles come and go, a worker is killed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import psycopg2
import pytest

from database import deployments
from database.experiments import Arm, start_experiment, stop_experiment
from database.gate_decisions import record_decision
from database.settings import REPOSITORY
from serving.experiments.running import bucket
from training.models.als import Als
from training.models.blend import FEW_INTERACTIONS
from training.models.bundle import load_bundle, read_manifest
from training.models.popularity import Popularity

pytestmark = pytest.mark.platform

ENCODER, DIMENSION = "all-MiniLM-L6-v2", 384
ITEM = "TEA0000001"
LIKE = 12
EXPERIMENT = "beside"
SHOPPERS = [f"u{number:02d}" for number in range(10)]
"""Users that every bundle was trained on, and who do nothing meanwhile."""
_STORE = """
import sys
from pathlib import Path
from database.settings import get_settings
from training.release.bundle import store_bundle
for folder in sys.argv[1:]:
    store_bundle(get_settings(), Path(folder), {})
"""


@dataclass(frozen=True)
class Stored:
    """A bundle in the service's store, and what `/matrix_factor` answers by it."""

    bundle_id: str
    folder: Path
    similar: dict[str, float]
    for_users: dict[str, dict[str, float]]
    """What `/matrix_factor/user` answers to each of the shoppers, whom the bundle was trained on."""


@dataclass(frozen=True)
class Service:
    """The running service, and the bundles it may be given."""

    url: str
    process: subprocess.Popen[bytes]
    dsn: str
    bundles: list[Stored]

    def activate(self, bundle: Stored) -> None:
        conn = psycopg2.connect(self.dsn)
        with conn:
            deployments.activate(conn, bundle.bundle_id, f"shortlist:{bundle.bundle_id}", {}, "test")
        conn.close()

    def try_on_half(self, bundle: Stored) -> None:
        """Start an experiment that shows the bundle to half of the users."""
        conn = psycopg2.connect(self.dsn)
        with conn:
            record_decision(conn, bundle.bundle_id, None, True, {})
            arms = (Arm("now", 0.5), Arm("tried", 0.5, bundle_id=bundle.bundle_id))
            start_experiment(conn, EXPERIMENT, "ab", arms)
        conn.close()

    def end_the_trial(self) -> None:
        """Stop the experiment."""
        conn = psycopg2.connect(self.dsn)
        with conn:
            stop_experiment(conn, EXPERIMENT, "test")
        conn.close()

    def workers(self) -> list[psutil.Process]:
        """Its workers: the processes that have loaded the models."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in alive if "_bentoml_impl.worker.service" in child.cmdline()]


@pytest.fixture
def service(
    database: Any, shop: list[str], deploy: Any, tmp_path: Path, run_service: Any
) -> Iterator[Service]:
    variables = {
        "DATABASE_URL": database.url,
        "SHORTLIST_HOME": str(tmp_path / "home"),
        "BENTOML_HOME": str(tmp_path / "home" / "bentoml"),
    }
    embeddings = deploy.params.embeddings.model_copy(update={"model": ENCODER})
    params = deploy.params.model_copy(update={"embeddings": embeddings})
    writer = replace(deploy, params=params, dimension=DIMENSION)
    folders = [writer.write(name, seed=seed) for seed, name in enumerate(("a", "b", "c", "d"))]
    store = [sys.executable, "-c", _STORE, *folders]
    subprocess.run(store, env=os.environ | variables, cwd=REPOSITORY, check=True)
    bundles = [_stored(folder, tmp_path / "home" / "bentoml") for folder in folders]
    with run_service(variables) as running:
        yield Service(running.address, running.process, database.dsn, bundles)


def _stored(folder: Path, store: Path) -> Stored:
    bundle = load_bundle(folder)
    als = bundle.model(Als)
    items, cosines = als.similar(bundle.items.index(ITEM), als.n_items)
    users = bundle.model(Popularity).all_time[items]
    scores = cosines * users / (users + FEW_INTERACTIONS)
    best = np.argsort(-scores)[:LIKE].astype(np.int32)
    similar = dict(zip(bundle.items.decode(items[best]), np.round(scores[best], 4).tolist(), strict=True))
    bundle_id = read_manifest(folder).bundle_id
    for_users = {}
    for user_id in SHOPPERS:
        factors = als.user_factors[als.user_rows[bundle.users.index(user_id)]]
        scores = als.item_factors @ factors
        best = np.argsort(-scores)[:3].astype(np.int32)
        for_users[user_id] = dict(zip(bundle.items.decode(best), scores[best].tolist(), strict=True))
    return Stored(bundle_id, store / "models" / "shortlist" / bundle_id / "bundle", similar, for_users)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _until(true: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.1)


@dataclass
class Load:
    """Shoppers who ask all the time, each on a connection of their own."""

    url: str
    known: dict[str, Stored]
    stop: threading.Event = field(default_factory=threading.Event)
    answered: list[str] = field(default_factory=list)
    """Bundle of each answer about like items."""
    broken: list[str] = field(default_factory=list)
    """What was wrong."""
    lost: int = 0
    """Connections that broke."""
    acknowledged: list[str] = field(default_factory=list)
    served: dict[str, set[str]] = field(default_factory=dict)
    """Bundles that answered each trained user."""

    def shopper(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            count = 0
            while not self.stop.is_set():
                count += 1
                try:
                    self._ask(client, f"shopper{number}", f"wish{number}x{count}")
                except httpx.TransportError:
                    self.lost += 1

    def _ask(self, client: httpx.Client, user_id: str, wish: str) -> None:
        body = {"item_id": ITEM, "n": LIKE}
        response = client.post("/matrix_factor/similar", params={"explain": True}, json=body)
        if bundle_id := self._judge(response, lambda bundle: bundle.similar):
            self.answered.append(bundle_id)
        user = SHOPPERS[len(self.answered) % len(SHOPPERS)]
        body = {"user_id": user, "n": 3, "filter_already_liked": False}
        response = client.post("/matrix_factor/user", params={"explain": True}, json=body)
        if bundle_id := self._judge(response, lambda bundle: bundle.for_users[user]):
            self.served.setdefault(user, set()).add(bundle_id)
        home = client.get("/recommendations/home", params={"user_id": user_id})
        event = {"user_id": user_id, "event_type": "search_query", "query": wish}
        told = client.post("/api/v1/interactions/interactions", json=event)
        if told.status_code == 200:
            self.acknowledged.append(wish)
        for response in (home, told):
            if response.status_code != 200:
                self.broken.append(f"{response.request.url} {response.status_code} {response.text[:200]}")

    def _judge(self, response: httpx.Response, right: Callable[[Stored], dict[str, float]]) -> str | None:
        """The bundle that answered; what it says must be that bundle's, to the last item and score."""
        if response.status_code != 200:
            self.broken.append(f"{response.request.url} {response.status_code} {response.text[:200]}")
            return None
        bundle_id = response.headers["X-Bundle"]
        shown = {each["item_id"]: each["score"] for each in response.json()["recommendations"]}
        if bundle_id not in self.known or shown != pytest.approx(right(self.known[bundle_id]), abs=2e-4):
            self.broken.append(f"{bundle_id} answered {shown}")
        return bundle_id


def test_bundles_change_and_a_worker_dies_under_load(service: Service) -> None:
    first, second, corrupt, tried = service.bundles
    assert first.similar != second.similar
    service.activate(first)
    with httpx.Client(base_url=service.url, timeout=30) as client:
        _until(lambda: _all_workers_have(service, first), 60)
        service.try_on_half(tried)
        _until(lambda: _all_on_trial(service, tried), 60)
        load = Load(service.url, {each.bundle_id: each for each in service.bundles})
        with ThreadPoolExecutor(4) as shoppers:
            for number in range(4):
                shoppers.submit(load.shopper, number)
            try:
                _until(lambda: len(load.answered) > 20, 60)
                made = client.post("/content/", json={"content_id": "fresh1", "title": "Fresh tea leaves"})
                assert made.status_code == 201, made.text
                service.activate(second)
                _until(lambda: _all_workers_have(service, second), 60)
                (corrupt.folder / "als" / "item_factors.npy").write_bytes(b"rubbish")
                service.activate(corrupt)
                time.sleep(3)
                assert _all_workers_have(service, second)
                assert load.lost == 0
                _assert_memory_is_shared(service, second)
                _kill_a_worker(service, load)
            finally:
                load.stop.set()
    service.end_the_trial()  # until then its control shows the first bundle
    _until(lambda: _is_let_go(service, first), 60)
    assert not load.broken, load.broken[:3]
    assert set(load.answered) == {first.bundle_id, second.bundle_id}
    _assert_users_stayed_in_their_arm(load, tried)
    for _ in range(6):
        found = httpx.get(f"{service.url}/content/fresh1", timeout=30)
        assert found.status_code == 200
        status = httpx.get(f"{service.url}/status", timeout=30).json()["bundle"]
        assert status["bundle_id"] == second.bundle_id
        assert status["refused"][0]["bundle_id"] == corrupt.bundle_id
    conn = psycopg2.connect(service.dsn)
    with conn, conn.cursor() as cursor:
        cursor.execute("select query from interactions where event_type = 'search_query'")
        stored = {row[0] for row in cursor.fetchall()}
    conn.close()
    assert len(load.acknowledged) > 20 and set(load.acknowledged) <= stored


def _assert_users_stayed_in_their_arm(load: Load, tried: Stored) -> None:
    assert load.served.keys() == set(SHOPPERS)
    for user_id, bundles in load.served.items():
        assert (bundles == {tried.bundle_id}) == _is_tried_on(user_id), user_id
        assert tried.bundle_id not in bundles or len(bundles) == 1, user_id


def _is_tried_on(user_id: str) -> bool:
    return bucket(EXPERIMENT, user_id) >= 0.5


def _assert_memory_is_shared(service: Service, bundle: Stored) -> None:
    """Both workers map the bundle's files, and hold their pages in common."""
    (one, part), (other, rest) = _mapped(service, bundle)
    assert min(one, other) > 0
    assert part + rest < 0.75 * (one + other), (one, part, other, rest)


def _is_let_go(service: Service, bundle: Stored) -> bool:
    """Whether no worker maps the bundle's files any more. A worker lets go when it makes its next list."""
    for _ in range(8):  # on new connections, which the kernel deals out between the workers
        httpx.get(f"{service.url}/recommendations/home?user_id=shopper0", timeout=30)
    return _mapped(service, bundle) == [(0, 0), (0, 0)]


def _mapped(service: Service, bundle: Stored) -> list[tuple[int, int]]:
    """Resident and proportional bytes of each worker's mappings of a bundle."""
    found = []
    for worker in service.workers():
        maps = [each for each in worker.memory_maps() if each.path.startswith(str(bundle.folder))]
        found.append((sum(each.rss for each in maps), sum(each.pss for each in maps)))
    return found


def _all_on_trial(service: Service, tried: Stored) -> bool:
    """Whether every worker has the experiment's bundle; asked on new connections."""
    user_id = next(filter(_is_tried_on, SHOPPERS))
    body = {"user_id": user_id, "n": 3, "filter_already_liked": False}
    answers = [httpx.post(f"{service.url}/matrix_factor/user", json=body, timeout=30) for _ in range(8)]
    return {each.headers["X-Bundle"] for each in answers} == {tried.bundle_id}


def _all_workers_have(service: Service, bundle: Stored) -> bool:
    """Asked on new connections, which the kernel deals out between the workers."""
    answers = [httpx.get(f"{service.url}/status", timeout=30) for _ in range(8)]
    return {each.json()["bundle"]["bundle_id"] for each in answers} == {bundle.bundle_id}


def _kill_a_worker(service: Service, load: Load) -> None:
    victim, other = service.workers()
    victim.kill()
    before = len(load.acknowledged)
    _until(lambda: len(load.acknowledged) > before + 10, 60)
    assert other.is_running()
    _until(lambda: len(service.workers()) == 2 and victim not in service.workers(), 60)
    _until(lambda: _answers(service.url), 120)
