"""The monitoring steps on a real database and a DVC cache."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.deployments import activate
from database.export import export_snapshot
from database.monitoring import drift_reports, read_freshness
from database.settings import REPOSITORY, get_settings
from experiments.statistics import Rate
from training.data.workspace import Workspace
from training.params import load_params
from training.tracking.lineage import Lineage
from training.tracking.tracker import Tracker
from watch import monitoring
from watch.__main__ import describe_power
from watch.guard_power import guard_power
from watch.monitoring import Page
from watch.populations import ReferenceMissingError, read_weeks, snapshot_files

PARAMS = load_params(REPOSITORY / "params.yaml")
LIMITS = PARAMS.monitoring
START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path, database: object, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("SHORTLIST_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    return Workspace(tmp_path)


def fill(conn: Connection, prefix: str, category: str, event: str, start: datetime, days: int = 70) -> None:
    """300 items with vectors, 300 users with seven events each, spread over days."""
    generator = np.random.default_rng(len(prefix))
    vectors = generator.normal(size=(300, 8)).astype("<f4") + (3 if event == "like" else 0)
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "insert into items (item_id, title, category, price, change_seq) values %s",
            [(f"{prefix}{n}", "A thing", category, 10 + n % 50, 1) for n in range(300)],
        )
        execute_values(
            cursor,
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select item_id, 'm', 8, text_hash, vector
            from items join (values %s) v (id, vector) on id = item_id""",
            [(f"{prefix}{n}", vectors[n].tobytes()) for n in range(300)],
        )
        execute_values(
            cursor,
            "insert into interactions (user_id, event_type, item_id, occurred_at, source) values %s",
            [
                (
                    f"{prefix}u{n % 300}",
                    event,
                    f"{prefix}{n % 300}",
                    start + timedelta(days=n * days / 2100),
                    "test",
                )
                for n in range(2100)
            ],
        )
    conn.commit()


def put_in_cache(conn: Connection, workspace: Workspace, folder: Path) -> str:
    """What `dvc add` leaves in the cache; returns the folder's hash."""
    folder.mkdir()
    export_snapshot(conn, folder)
    cache = workspace.root / ".dvc" / "cache" / "files" / "md5"

    def store(content: bytes, suffix: str = "") -> str:
        md5 = hashlib.md5(content).hexdigest() + suffix
        (cache / md5[:2]).mkdir(parents=True, exist_ok=True)
        (cache / md5[:2] / md5[2:]).write_bytes(content)
        return md5

    entries = [
        {"relpath": path.name, "md5": store(path.read_bytes())} for path in sorted(folder.glob("*.parquet"))
    ]
    return store(json.dumps(entries).encode(), ".dir")


def test_drift_is_measured_told_and_triggers_once(
    workspace: Workspace, connection: Connection, tmp_path: Path
) -> None:
    now = START + timedelta(days=100)
    assert monitoring.measure_drift(now) is False, "nothing serves"
    fill(connection, "a", "books", "click", START)
    md5 = put_in_cache(connection, workspace, tmp_path / "snapshot")
    activate(connection, "b1", "shortlist:b1", {"snapshot_hash": md5}, "first")
    connection.commit()
    assert monitoring.measure_drift(now) is False
    assert not drift_reports(connection, 1)[0].drifted
    connection.rollback()
    fill(connection, "new", "toys", "like", START + timedelta(days=63), days=8)
    assert monitoring.measure_drift(now) is True
    report = drift_reports(connection, 1)[0]
    drifted = {figure["name"] for figure in report.report["figures"] if figure["drifted"]}
    assert {"category_psi", "event_mix_psi", "popularity_psi", "embedding_mmd"} <= drifted
    assert report.report["newest_day"] == "2026-07-09", "the day of the last interaction has not ended"
    page = (get_settings().home / "monitoring" / "drift.html").read_text()
    assert "Drifted" in page and "category_psi" in page and "b1" in page
    assert "0 users were shown lists in the last 2 days" in page and "none: too few users or clicks" in page
    connection.rollback()
    monitoring.drift_triggered()
    assert drift_reports(connection, 1)[0].triggered
    assert monitoring.measure_drift(now + timedelta(hours=1)) is False, "the cooldown"
    assert monitoring.measure_drift(now + timedelta(hours=LIMITS.cooldown_hours + 1)) is True


def test_the_page_shows_what_the_guard_finds_in_this_shop(workspace: Workspace) -> None:
    """The same figures as `python -m watch guard`."""
    now = START + timedelta(days=100)
    power = guard_power(Rate(4000, 24_000, 1200, 1200, 7200, 144_000), PARAMS.guard)
    assert power.holdback is not None and max(power.holdback, power.days) < power.first_week < 1
    page = Page("b1", [], now.date(), now, power, PARAMS.guard.holdback_days)
    text = monitoring.write_page(get_settings(), page).read_text()
    assert "4,000 users were shown lists in the last 2 days" in text
    assert "with a holdback of 400 users" in text and "There is no holdback" not in text
    for line, drop in zip(
        describe_power(power, 2)[2:], (power.holdback, power.days, power.first_week), strict=True
    ):
        assert f"{drop:.0%}" in line and f">{100 * drop:.0f} %<" in text
    without = replace(power, held=0, holdback=None)
    text = monitoring.write_page(get_settings(), replace(page, power=without)).read_text()
    assert "There is no holdback" in text and "with a holdback of" not in text


def test_only_whole_days_count_and_a_silent_one_is_a_day(connection: Connection) -> None:
    fill(connection, "a", "books", "click", START)
    last = START + timedelta(days=70)
    weeks = read_weeks(connection, last + timedelta(hours=5), LIMITS)
    assert weeks.end == last and weeks.complete == 9
    assert weeks.days == {"click": [30] * 63}
    assert [sum(week.values()) for week in weeks.items] == [210] * 9
    assert weeks.activity == [{1: 210}] * 9
    silent = read_weeks(connection, last + timedelta(days=3), LIMITS)
    assert silent.end == last + timedelta(days=3) and silent.days["click"][-4:] == [30, 0, 0, 0]
    long_ago = read_weeks(connection, last + timedelta(days=300), LIMITS)
    assert long_ago.end == last - timedelta(days=1), "a file of another year"


def test_a_young_shop_has_as_many_weeks_as_it_is_old(connection: Connection) -> None:
    assert read_weeks(connection, START, LIMITS).complete == 0
    fill(connection, "a", "books", "click", START + timedelta(days=3), days=16)
    weeks = read_weeks(connection, START + timedelta(days=20), LIMITS)
    assert weeks.complete == 2 and len(weeks.days["click"]) == 14
    assert weeks.days["click"][0] > 0


def test_a_snapshot_that_is_gone_is_an_error(workspace: Workspace, connection: Connection) -> None:
    activate(connection, "b1", "shortlist:b1", {"snapshot_hash": "0" * 32 + ".dir"}, "first")
    connection.commit()
    with pytest.raises(ReferenceMissingError):
        monitoring.measure_drift(START)


def test_a_snapshot_that_was_deleted_in_part_is_an_error_with_what_to_do(
    workspace: Workspace, connection: Connection, tmp_path: Path
) -> None:
    md5 = put_in_cache(connection, workspace, tmp_path / "snapshot")
    snapshot_files(workspace, md5)["embeddings.parquet"].unlink()
    with pytest.raises(ReferenceMissingError, match="start daily_training with force"):
        snapshot_files(workspace, md5)


def test_partitions_are_made_ahead(workspace: Workspace, database: object) -> None:
    later = datetime.now(UTC) + timedelta(days=300)
    monitoring.make_partitions(later)
    monitoring.make_partitions(later)
    with psycopg2.connect(database.dsn) as conn, conn.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(
            """select to_regclass(%s) is not null, to_regclass(%s) is not null""",
            (f"impression_lists_{later:y%Ym%md%d}", f"interactions_{later + timedelta(days=150):y%Ym%m}"),
        )
        assert cursor.fetchone() == (True, True)
    conn.close()


def test_what_is_old_is_named(connection: Connection) -> None:
    now = datetime.now(UTC)
    fresh = read_freshness(connection)
    assert len(monitoring.stale(fresh, now, LIMITS)) == 2
    activate(connection, "b1", "shortlist:b1", {"created_at": now.isoformat()}, "first")
    with connection.cursor() as cursor:
        cursor.execute("insert into trending_scores values ('x', 1, 1, %s)", (now - timedelta(hours=9),))
    connection.commit()
    problems = monitoring.stale(read_freshness(connection), now, LIMITS)
    assert problems == ["trending is 9.0 hours old (limit: 3)"]
    much_later = now + timedelta(days=30)
    assert len(monitoring.stale(read_freshness(connection), much_later, LIMITS)) == 1, "nothing new to learn"
    fill(connection, "a", "books", "click", START)
    assert len(monitoring.stale(read_freshness(connection), much_later, LIMITS)) == 2


def test_before_the_first_bundle_nothing_is_wrong(workspace: Workspace, database: object) -> None:
    monitoring.check_quality()


def test_a_service_that_is_down_is_a_problem() -> None:
    assert "does not respond" in monitoring.probe("http://127.0.0.1:9/readyz", 100)[0]


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
def test_clicks_of_the_serving_bundle_go_to_its_run_in_mlflow(
    workspace: Workspace, connection: Connection, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "clicks")
    get_settings.cache_clear()
    tracker = Tracker(get_settings())
    run = tracker.bundle_run(Lineage("md5", "params", "commit"))
    tracker.registry.register_bundle(run, "b1", workspace.params_file, "an item")
    now = datetime.now(UTC)
    manifest = {"created_at": (now - timedelta(hours=30)).isoformat()}
    activate(connection, "b1", "shortlist:b1", manifest, "test")
    connection.commit()
    monitoring.log_clicks(now)
    assert "online/click_rate" not in tracker.client.get_run(run.id).data.metrics

    with connection.cursor() as cursor:
        cursor.execute(
            """insert into impression_lists
                (request_id, shown, endpoint, user_id, item_ids, propensities, bundle_id, shown_at)
            select 'r' || n, true, 'home', 'u' || n, '{a,b}', '{1,1}', 'b1', now()
            from generate_series(1, 10) n"""
        )
        cursor.execute(
            """insert into interactions (user_id, event_type, item_id, occurred_at, source)
            select 'u' || n, 'click', 'a', now() + interval '1 minute', 'test' from generate_series(1, 5) n"""
        )
    connection.commit()
    monitoring.log_clicks(now + timedelta(minutes=5))

    metrics = tracker.client.get_run(run.id).data.metrics
    assert (metrics["online/shown"], metrics["online/clicked"], metrics["online/users"]) == (20, 5, 10)
    assert metrics["online/click_rate_low"] < metrics["online/click_rate"] == 0.25
    [point] = tracker.client.get_metric_history(run.id, "online/click_rate")
    assert point.step == 30
