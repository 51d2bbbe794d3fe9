"""An installation of an earlier version goes on under this one (README.md beside it, docs/upgrading.md)."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
import psycopg2
import pytest
import yaml
from numpy.typing import NDArray

from database.schema import migrate
from database.settings import REPOSITORY, Settings, get_settings
from serving.api.airflow_runs import Airflow
from serving.api.app import create_app
from serving.plane import LivePlane
from tests.serving.api.fake_airflow import FakeAirflow
from tests.training.slow import WHOLE_RUNS
from tests.upgrade.conftest import Installation
from training.models import bundle as bundles
from training.models.als import AlsConfig
from training.models.nmf import NmfConfig
from training.params import ParamsError, load_params
from training.tracking.tracker import Tracker

pytestmark = WHOLE_RUNS
NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODELS = ("als", "nmf", "tfidf", "embeddings", "fpgrowth", "popularity", "itemknn", "ease")


class Directions:
    """An encoder of the name and width of the one that made the stored vectors: red things or other ones."""

    name = "all-MiniLM-L6-v2"
    dimension = 384

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0 if "red" in text else 1] = 1
        return vectors


@asynccontextmanager
async def serving(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """The service's app on the installation, all bundles loaded or refused; logs are written at the end."""
    async with asyncpg.create_pool(installation.dsn, min_size=1, max_size=4) as pool:
        plane = await LivePlane.open(
            pool, load_params(), encoder=Directions(), locate=installation.bundle, clock=lambda: NOW
        )

        @asynccontextmanager
        async def opened() -> AsyncIterator[LivePlane]:
            yield plane

        settings = get_settings()
        app = create_app(opened, settings, Airflow(settings, httpx.MockTransport(FakeAirflow())))
        try:
            await plane.settle()
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    yield client
        finally:
            await plane.close()


def rows(installation: Installation, question: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(installation.dsn) as conn, conn.cursor() as cursor:
        cursor.execute(question)
        found = cursor.fetchall()
    conn.close()
    return found


def deployed(installation: Installation) -> list[str]:
    """Ids of the bundles that served, in order: the last one serves."""
    return [
        name for (name,) in rows(installation, "select bundle_id from deployments order by deployment_id")
    ]


def contents(installation: Installation) -> dict[str, list[tuple[Any, ...]]]:
    """Table → its rows as JSON, in order, partitions under their parent's name."""
    tables = rows(
        installation,
        """select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and not relispartition and relname <> 'alembic_version' order by relname""",
    )
    return {
        name: rows(installation, f"select to_jsonb(t) from {name} t order by t::text") for (name,) in tables
    }


def test_every_setting_of_the_old_env_file_is_still_read(installation: Installation) -> None:
    names = {line.split("=")[0] for line in (installation.root / ".env").read_text().splitlines()}
    known = {(field.alias or f"SHORTLIST_{name}").upper() for name, field in Settings.model_fields.items()}
    assert names <= known
    assert get_settings().mlflow_experiment == "lamps"
    assert get_settings().rate_limit_per_minute == 600


def test_the_migrations_keep_every_row(installation: Installation) -> None:
    before = contents(installation)
    migrate(installation.url)
    after = contents(installation)
    assert {name: len(found) for name, found in before.items()} == {name: len(after[name]) for name in before}
    for name, found in before.items():
        kept = [{key: row[key] for key in old} for (row,), (old,) in zip(after[name], found, strict=True)]
        assert kept == [old for (old,) in found], name
    assert len(before["items"]) == 40 and len(before["impression_lists"]) == 40


def test_an_old_params_file_is_refused_with_every_edit_and_then_loads(installation: Installation) -> None:
    old = yaml.safe_load(installation.params_file.read_text())
    with pytest.raises(ParamsError) as refused:
        load_params()
    for edit in ("rp3beta: remove it", "tune.spaces.rp3beta: remove it"):
        assert edit in str(refused.value)

    installation.edit_params()

    params = load_params()
    factors = params.section(AlsConfig).factors, params.section(NmfConfig).factors
    assert factors == (old["als"]["factors"], old["nmf"]["factors"]) == (8, 6)
    assert params.blend.tuned == old["blend"]["tuned"]
    assert params.gate.min_test_users == 10


async def test_the_bundle_serves_on_and_the_experiments_assign(upgraded: Installation) -> None:
    first, served = deployed(upgraded)
    async with serving(upgraded) as http:
        status = (await http.get("/status")).json()
        home = (
            await http.get("/recommendations/home", params={"user_id": "user1", "explain": "true"})
        ).json()
        search = (await http.get("/recommendations/search", params={"query": "red lamp"})).json()
        like = (await http.get("/recommendations/product/ITEM000001")).json()
        for user in range(60):
            answer = await http.get("/recommendations/home", params={"user_id": f"user{user}"})
            assert answer.headers["X-Bundle"] == served
    assert status["bundle"]["bundle_id"] == served and status["bundle"]["refused"] == []
    had = {
        item_id for (item_id,) in rows(upgraded, "select item_id from interactions where user_id = 'user1'")
    }
    assert home["personalized"] and not had & {each["id"] for each in home["personalized"]}
    assert all("red lamp" in each["name"] for each in search["results"])
    assert like
    arms = rows(
        upgraded,
        """select experiment_id, arm, bundle_id, shown, count(distinct user_id) from impression_lists
        where shown_at >= '2026-11-22Z' and experiment_id is not null
        group by 1, 2, 3, 4 order by 1, 2""",
    )
    assert [each[:4] for each in arms] == [
        ("older", "before", first, False),
        ("weights", "control", served, True),
        ("weights", "learned", served, True),
        ("weights", "plain", served, True),
    ]
    assert arms[0][4] == 60 and sum(each[4] for each in arms[1:]) == 60


@pytest.mark.parametrize(("now", "which"), [(2, "an earlier"), (0, "a newer")])
async def test_bundles_of_another_schema_are_refused_with_the_command_that_makes_a_new_one(
    upgraded: Installation, monkeypatch: pytest.MonkeyPatch, now: int, which: str
) -> None:
    monkeypatch.setattr(bundles, "SCHEMA_VERSION", now)
    async with serving(upgraded) as http:
        status = (await http.get("/status")).json()
        home = await http.get("/recommendations/home", params={"user_id": "user1"})
    assert home.status_code == 200 and home.headers["X-Bundle"] == "none"
    refused = {each["bundle_id"]: each["reason"] for each in status["bundle"]["refused"]}
    assert refused.keys() == {*deployed(upgraded)}
    for reason in refused.values():
        assert f"made by {which} version of Shortlist (schema 1, this one reads {now})" in reason
        assert "`make up`" in reason and "`python -m training.pipeline --force`" in reason


async def test_one_bundle_of_another_schema_leaves_the_one_before_serving(upgraded: Installation) -> None:
    first, served = deployed(upgraded)
    place = upgraded.bundle(f"shortlist:{served}") / "manifest.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"schema_version": 99}))
    async with serving(upgraded) as http:
        home = await http.get("/recommendations/home", params={"user_id": "user1"})
        status = (await http.get("/status")).json()
    assert home.headers["X-Bundle"] == first
    assert [each["bundle_id"] for each in status["bundle"]["refused"]] == [served]


def test_mlflows_runs_are_read_and_its_versions_load(upgraded: Installation) -> None:
    import mlflow

    tracker = Tracker(get_settings())
    experiment = tracker.client.get_experiment_by_name("lamps")
    runs = tracker.client.search_runs([experiment.experiment_id])
    kinds = [run.data.tags["shortlist.kind"] for run in runs]
    assert sorted(kinds) == sorted(2 * [*MODELS, "trending", "blend", "bundle"])
    assert all(run.data.metrics for run in runs if run.data.tags["shortlist.kind"] in MODELS)
    assert tracker.registry.aliases("lamps-bundle") == {"champion": "2", "previous": "1"}
    mlflow.set_tracking_uri(get_settings().tracking_uri)
    for name in MODELS:
        for version in ("1", "2"):
            model = mlflow.pyfunc.load_model(f"models:/lamps-{name}/{version}")
            (items,) = model.predict([["ITEM000001", "ITEM000003"]], params={"k": 5})
            assert len(items) == 5 and "ITEM000001" not in items


def test_the_next_night_trains_against_the_old_champion_and_deploys(upgraded: Installation) -> None:
    before = deployed(upgraded)
    stale = yaml.safe_load((upgraded.root / "dvc.lock").read_text())["stages"]
    assert command(upgraded, "training.pipeline").stdout.startswith("Nothing new since watermark")
    with psycopg2.connect(upgraded.dsn) as conn, conn.cursor() as cursor:
        cursor.execute(
            """insert into interactions
                (user_id, item_id, event_type, value, occurred_at, recorded_at, source)
            values ('user1', 'ITEM000023', 'purchase', 1, '2026-11-22Z', '2026-11-22Z', 'shop')"""
        )
    conn.close()

    command(upgraded, "training.pipeline")

    ((bundle_id, champion, accepted, report),) = rows(
        upgraded,
        """select bundle_id, champion_id, accepted, report from gate_decisions
        order by gate_decision_id desc limit 1""",
    )
    assert accepted and champion == before[-1]
    checks = {check["name"]: check for check in report["checks"]}
    assert "champion" not in checks, "it could be measured"
    assert "champion's blend" in checks["accuracy of blend"]["detail"]
    assert deployed(upgraded) == [*before, bundle_id]
    tracker = Tracker(get_settings())
    assert tracker.registry.aliases("lamps-bundle") == {"champion": "3", "previous": "2"}
    lock = yaml.safe_load((upgraded.root / "dvc.lock").read_text())["stages"]
    described = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert {name.partition("@")[0] for name in lock} == described.keys()
    assert lock.keys() <= stale.keys() | lock.keys()
    status = command(upgraded, "dvc", "status", cwd=upgraded.root)
    assert "up to date" in status.stdout


def command(
    installation: Installation, module: str, *arguments: str, cwd: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run `python -m` as an operator does: in a process of its own, with the installation's settings."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done
