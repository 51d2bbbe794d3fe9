"""Steps of the monitoring DAG. Every step can be run again."""

import logging
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import jinja2

from database import deployments
from database.connection import connect
from database.monitoring import Freshness, last_trigger, mark_triggered, read_freshness, record_drift
from database.partitions import make_ahead
from database.settings import Settings, get_settings
from experiments.reading import click_rate, click_rates_by_list
from training.data.workspace import open_workspace
from training.params import load_params
from training.params.operating import MonitoringParams
from training.pipeline.run_logging import log_click_rate
from training.release.promotion import mirror
from training.release.rollback import roll_back_and_tell
from training.tracking.tracker import Tracker
from watch.automatic_rollback import roll_back_if_worse
from watch.drift import find_drift
from watch.errors import WatchError
from watch.figures import Figure
from watch.guard_power import GuardPower, power_of_shop
from watch.populations import read_catalogue, read_snapshot, read_weeks, snapshot_files
from watch.retention import prune

logger = logging.getLogger(__name__)

PROBES = 5


class QualityError(WatchError):
    """Something is too old or too slow; the message lists everything that is."""


def make_partitions(now: datetime | None = None) -> None:
    """Create the partitions of the coming days and months, well before anything is written to them."""
    with connect() as conn:
        made = make_ahead(conn, now or datetime.now(UTC))
    logger.info("Created %d partitions.", made)


def guard(now: datetime | None = None) -> None:
    """Roll back the bundle in service if its click rate is below that of the previous one."""
    settings, params = get_settings(), load_params()
    clicks = params.experiments.attribution()
    roll_back_if_worse(settings, params.guard, clicks, now or datetime.now(UTC), roll_back_and_tell)


def mirror_registry() -> None:
    """Make MLflow's aliases match the bundle in service, after a rollback over HTTP or a crash."""
    settings = get_settings()
    mirror(settings, Tracker(settings).registry)


def measure_drift(now: datetime | None = None) -> bool:
    """Look for drift; returns whether a training should start.

    The catalogue is compared with the serving bundle's snapshot, the interactions of the newest day and week
    with those before them. Stores the figures, and writes them as a page under `<home>/monitoring/`. Before
    the first bundle there is nothing to compare with.

    Raises ReferenceMissingError when the snapshot is not in this host's DVC cache.
    """
    now = now or datetime.now(UTC)
    settings, params = get_settings(), load_params()
    limits = params.monitoring
    with connect(settings) as conn:
        serving = deployments.current(conn)
        if serving is None:
            logger.info("No bundle is in service, so there is nothing to compare with.")
            return False
        files = snapshot_files(open_workspace(settings), serving.manifest["snapshot_hash"])
        then, weeks = read_snapshot(files, limits, params.seed), read_weeks(conn, now, limits)
        figures = find_drift(then, read_catalogue(conn, limits), weeks, limits, params.seed)
        drifted = any(figure.drifted for figure in figures)
        newest = weeks.end.date() - timedelta(days=1)
        power = power_of_shop(conn, params, now)
        report = {
            "figures": [asdict(figure) for figure in figures],
            "newest_day": newest.isoformat(),
            "guard_power": asdict(power),
        }
        record_drift(conn, serving.bundle_id, drifted, report, now)
        last = last_trigger(conn)
    page = Page(serving.bundle_id, figures, newest, now, power, params.guard.holdback_days)
    write_page(settings, page)
    cooling = last is not None and now - last < timedelta(hours=limits.cooldown_hours)
    names = ", ".join(figure.name for figure in figures if figure.drifted) or "nothing"
    logger.info("Drifted: %s%s", names, " (within the cooldown)" if drifted and cooling else "")
    return drifted and not cooling


def drift_triggered() -> None:
    """Record that the last report started a training, which begins the cooldown."""
    with connect() as conn:
        mark_triggered(conn)


@dataclass(frozen=True)
class Page:
    """What the report's page shows."""

    bundle_id: str
    figures: list[Figure]
    newest: date
    """The newest day that was compared."""
    now: datetime
    power: GuardPower
    power_days: float
    """Whose traffic the guard's power is of."""


def write_page(settings: Settings, page: Page) -> Path:
    """Write the report as a page: one file a report, and `drift.html`, which is the latest."""
    text = jinja2.Template(
        Path(__file__).with_name("drift.html.j2").read_text(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    ).render(
        bundle_id=page.bundle_id,
        drifted=any(figure.drifted for figure in page.figures),
        created_at=f"{page.now:%Y-%m-%d %H:%M} UTC",
        newest=page.newest,
        figures=page.figures,
        power=page.power,
        power_days=page.power_days,
    )
    folder = settings.home / "monitoring"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"drift-{page.now:%Y%m%dT%H%M%S}.html"
    for path in (file, folder / "drift.html"):
        path.write_text(text)
    return file


def check_quality(now: datetime | None = None) -> None:
    """Check that bundle and trending are fresh, and that the service answers in time.

    Before the first bundle there is nothing to check: a training that fails tells of itself.

    Raises QualityError with everything that is wrong; Airflow's failure callback tells of it.
    """
    settings, limits = get_settings(), load_params().monitoring
    with connect(settings) as conn:
        fresh = read_freshness(conn)
    if fresh.bundle_id is None:
        logger.info("No bundle is in service yet, so nothing is checked; daily_training makes the first.")
        return
    problems = stale(fresh, now or datetime.now(UTC), limits)
    problems += probe(f"http://{settings.service_host}:{settings.service_port}/readyz", limits.max_probe_ms)
    if problems:
        raise QualityError("; ".join(problems))
    logger.info("Bundle and trending scores are recent, and the service responds in time.")


def stale(fresh: Freshness, now: datetime, limits: MonitoringParams) -> list[str]:
    """What is older than the params allow."""
    ages = (
        ("the bundle", fresh.deployed_at, limits.max_bundle_age_hours),
        ("trending", fresh.trending_at, limits.max_trending_age_hours),
    )
    problems = []
    for name, made, allowed in ages:
        if made is None:
            problems.append(f"{name} has never been created")
        elif _nothing_to_learn(name, fresh, made):
            continue
        elif (hours := (now - made) / timedelta(hours=1)) > allowed:
            problems.append(f"{name} is {hours:.1f} hours old (limit: {allowed:g})")
    return problems


def probe(url: str, max_ms: float) -> list[str]:
    """Problems found by calling the service a few times."""
    slowest = 0.0
    for _ in range(PROBES):
        started = time.perf_counter()
        try:
            status = httpx.get(url, timeout=10).status_code
        except httpx.TransportError as error:
            return [f"{url} does not respond: {error}"]
        slowest = max(slowest, 1000 * (time.perf_counter() - started))
        if status != httpx.codes.OK:
            return [f"{url} returned status {status}"]
    return [f"{url} took {slowest:.0f} ms (limit: {max_ms:g})"] if slowest > max_ms else []


def log_clicks(now: datetime | None = None) -> None:
    """Log the serving bundle's click rate to its run in MLflow; a later call writes the newer value."""
    now = now or datetime.now(UTC)
    settings, params = get_settings(), load_params()
    with connect(settings) as conn:
        serving = deployments.current(conn)
        if serving is None:
            return
        clicks = params.experiments.attribution()
        rate = click_rate(conn, serving.bundle_id, serving.deployed_at, now, clicks)
        lists = click_rates_by_list(conn, serving.bundle_id, serving.deployed_at, now, clicks)
    if not rate.shown:
        logger.info("No list of bundle %s has been shown yet.", serving.bundle_id)
        return
    tracker = Tracker(settings)
    version = tracker.registry.find_bundle(serving.bundle_id)
    if version is None:
        logger.warning("MLflow has no version for bundle %s.", serving.bundle_id)
        return
    low, high = rate.wilson(1 - params.experiments.alpha)
    metrics = {"click_rate": rate.value, "click_rate_low": low, "click_rate_high": high}
    metrics |= {"shown": rate.shown, "clicked": rate.clicked, "users": rate.users}
    metrics |= {f"click_rate_{name}": of_list.value for name, of_list in lists.items()}
    age = now - datetime.fromisoformat(serving.manifest["created_at"])
    log_click_rate(tracker.run(version.run_id), metrics, age // timedelta(hours=1))


def apply_retention(now: datetime | None = None) -> None:
    """Delete what is too old by the section `retention` of the params."""
    settings, params = get_settings(), load_params()
    pruned = prune(
        settings,
        open_workspace(settings),
        params.retention,
        now or datetime.now(UTC),
        report_days=params.monitoring.report_days,
    )
    logger.info("Pruned: %s", pruned)


def _nothing_to_learn(name: str, fresh: Freshness, made: datetime) -> bool:
    """A bundle is only old if there was something to learn since: runs without new data are skipped."""
    return name == "the bundle" and (fresh.interaction_at is None or fresh.interaction_at <= made)
