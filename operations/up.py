"""`make up`: start the platform, train the first bundle, then wait for Ctrl-C."""

import fcntl
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from database.settings import Settings
from operations import preflight, train
from operations.airflow import AirflowApi
from operations.answer import BundleRefusedError, first_answer, wait_for_bundle
from operations.commands import AbortedError
from operations.environment import Layout, layout
from operations.errors import PreflightError, RunFailedError, StartError
from operations.platform import DAGS, DAILY, Platform
from operations.reporter import Reporter
from operations.training_runs import training_runs_address

WATCH_SECONDS = 1.0


def run(settings: Settings, *, detach: bool, sample: bool = True, reporter: Reporter | None = None) -> int:
    """Start the platform, make sure a bundle is in service, print an example and, unless detached, wait.

    Returns the exit code. On failure, stops what was started and raises OperationsError.
    """
    report = reporter or Reporter()
    preflight.check_home(layout(settings))
    with _only_one(layout(settings)):
        preflight.check(settings)
        check_params(settings)
        platform = Platform(settings, report, sample=sample)
        try:
            platform.start()
            if platform.counts().interactions == 0:
                _show_empty(platform)
            else:
                if not _ensure_bundle(platform):
                    _tell_why_no_bundle(platform)
                _show_answer(platform)
            report.plain(
                "Running; `make down` stops it." if detach else "Running; Ctrl-C or `make down` stops it."
            )
            if not detach:
                _watch(platform)
        except BaseException as error:
            report.status("")
            _stop(platform)
            raise _as_operations_error(error) from error
        return 0


@contextmanager
def _only_one(place: Layout) -> Iterator[None]:
    """Hold this installation's lock, which is released when this process ends for any reason."""
    with (place.home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PreflightError(
                f"Another `make up` of {place.home} is running", "Wait for it, or stop it with `make down`"
            ) from error
        except OSError as error:
            remedy = "Set SHORTLIST_HOME to a folder on a disk of this machine"
            raise PreflightError(f"{place.home} can't be locked ({error})", remedy) from error
        yield


def check_params(settings: Settings) -> None:
    """Refuse a params.yaml that this version can't use, before every process says so in its own log."""
    from training.params import ParamsError, load_params

    try:
        load_params(settings.workspace / "params.yaml")
    except ParamsError as error:
        raise PreflightError(str(error), "Edit the file, then `make up` again (docs/upgrading.md)") from error


def _ensure_bundle(platform: Platform) -> bool:
    """Train through Airflow if there is no bundle yet, or if the service rejects the one deployed.

    Returns whether a bundle is in service: False if the gate rejected the first one.
    """
    bundle = train.deployed_bundle(platform.settings)
    if bundle is None:
        bundle = _train(platform, DAGS)
    if bundle is None:
        return False
    try:
        wait_for_bundle(platform, bundle)
    except BundleRefusedError as refusal:
        platform.report.line(f"The service rejected {refusal}")
        platform.report.line("Training a new one; until then only trending items and search are available")
        bundle = _train(platform, (DAILY,), force=True)
        if bundle is None:
            return False
        if bundle == refusal.bundle_id:
            platform.report.line(f"Bundle {bundle} was rebuilt; the service will load it at its next attempt")
            return True
        wait_for_bundle(platform, bundle)
    platform.report.line(f"The service uses bundle {bundle}")
    return True


def _train(platform: Platform, dag_ids: Sequence[str], *, force: bool = False) -> str | None:
    """Run DAGs through Airflow; returns the bundle deployed afterwards, None if the gate rejected it."""
    with AirflowApi(platform.settings) as api:
        api.sign_in()
        for dag_id in dag_ids:
            try:
                train.finish_running(platform, api, dag_id)
                # A new Airflow starts the run of the last 03:00 by itself, up to 05:24. If that has made a
                # bundle, no second one is needed.
                if dag_id == DAILY and not force and train.deployed_bundle(platform.settings) is not None:
                    continue
                train.run_to_end(platform, api, dag_id, force=force)
            except RunFailedError as error:
                if error.tasks != {train.GATE}:
                    raise
                platform.report.line(str(error))
                return None
    return train.deployed_bundle(platform.settings)


def _tell_why_no_bundle(platform: Platform) -> None:
    """Explain that the platform runs without a bundle: what works, and what would change that."""
    platform.report.plain(
        "No bundle is in service: trending items and search work, and users' events are stored."
    )
    for reason in train.gate_reasons(platform.settings):
        platform.report.plain(f"  the gate: {reason}")
    platform.report.plain(
        "The next training tries again; more data or other values in params.yaml may change the outcome."
    )


def _show_empty(platform: Platform) -> None:
    """Explain how to load data into an empty database."""
    _show_addresses(platform)
    platform.report.plain(
        "The database is empty. Load your files with `python -m database.ingest load PATH` (see the README),"
    )
    platform.report.plain("then `make train`.")


def _show_answer(platform: Platform) -> None:
    """Print the addresses, and one command with its response."""
    command, body = first_answer(platform)
    _show_addresses(platform)
    platform.report.plain(f"  $ {command}")
    platform.report.plain(body)
    platform.report.plain()


def _show_addresses(platform: Platform) -> None:
    platform.report.plain()
    platform.report.plain(f"  Airflow   {platform.settings.airflow_address}")
    platform.report.plain(f"  MLflow    {training_runs_address(platform.settings)}")
    platform.report.plain(f"  service   {platform.service_address}")
    platform.report.plain()


def _watch(platform: Platform) -> None:
    """Wait while the supervisor runs; return when `make down` has stopped it.

    Raises StartError if it died and left processes behind.
    """
    while platform.supervisor.circusd() is not None:
        time.sleep(WATCH_SECONDS)
    time.sleep(WATCH_SECONDS)
    if platform.supervisor.leftovers():
        raise StartError(
            "The supervisor died", f"See {platform.place.logs / 'circusd.log'}, then run `make up` again"
        )
    platform.report.line("Stopped by `make down`")


def _stop(platform: Platform) -> None:
    """Stop everything, ignoring further signals."""
    before = {
        sign: signal.signal(sign, signal.SIG_IGN) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        platform.report.line("Stopping")
        count = platform.stop()
        platform.report.line(f"Stopped {count} processes")
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _as_operations_error(error: BaseException) -> BaseException:
    """One-line messages for errors with an outside cause; others keep their traceback."""
    if isinstance(error, AbortedError):
        return KeyboardInterrupt()
    if isinstance(error, httpx.HTTPError):
        return StartError(
            f"A server stopped responding ({error})", "Check the logs, then run `make up` again"
        )
    return error
