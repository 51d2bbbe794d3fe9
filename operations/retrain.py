"""`make train`: run the daily training now, follow it, and tell what came of it."""

import httpx

from database.connection import connect
from database.examples import find_examples
from database.settings import Settings
from operations import train
from operations.airflow import AirflowApi
from operations.answer import wait_for_bundle
from operations.errors import RunFailedError, StartError
from operations.example_requests import requests_for, result_line
from operations.outcome import learned_on_this_data, outcome_lines
from operations.platform import DAILY, Platform
from operations.reporter import Reporter
from training.data.workspace import open_workspace

WEEKLY = "weekly_blend"
AGAIN = "make train"


class BundleNotAcceptedError(RunFailedError):
    """The gate refused the bundle: nothing is broken, and it may be another with other weights."""


def run(
    settings: Settings, *, force: bool = False, weights: bool = True, reporter: Reporter | None = None
) -> None:
    """Train, and print the models' table, the verdicts, the blend's weights and example requests.

    A run that is under way is followed first: it may have begun before the latest data was there.

    Args:
        settings: of the installation, which must be running.
        force: train although nothing is new.
        weights: if the blend's weights were never learned on this data, learn them after the first training,
            and train once more if they are better.
        reporter: where to print.

    Raises StartError when the platform does not run or has no interactions, RunFailedError when a run failed
    (if the gate refused the bundle, the models' table is printed before), and BundleRefusedError when the
    service can't load it.
    """
    platform = Platform(settings, reporter or Reporter())
    try:
        with AirflowApi(settings) as api:
            _require_running(api)
            refused = None
            try:
                _train(platform, api, force=force)
                _show_outcome(platform)
            except BundleNotAcceptedError as error:
                platform.report.line(str(error))
                refused = error
            if weights and _learn_weights(platform, api):
                platform.report.line("Training once more, with the weights that were learned")
                _train(platform, api, force=False)
                _show_outcome(platform)
            elif refused is not None:
                raise refused
        _show_examples(platform)
    except httpx.HTTPError as error:
        remedy = f"See the logs in {platform.place.logs}, then run `{AGAIN}` again"
        raise StartError(f"A server stopped responding ({error})", remedy) from error


def _require_running(api: AirflowApi) -> None:
    """Refuse unless Airflow can run the DAG; signs in."""
    if not api.healthy(within=train.PATIENCE_SECONDS):
        raise StartError(
            f"Airflow does not respond at {api.address}, or is not ready",
            f"Start the platform with `make up` (or `make up DETACH=1`), then run `{AGAIN}` again",
        )
    api.sign_in()
    train.require_unpaused(api, DAILY)


def _train(platform: Platform, api: AirflowApi, *, force: bool) -> None:
    """One daily training; if the gate refuses the bundle, the models' table is printed all the same.

    Raises BundleNotAcceptedError then, RunFailedError when something else failed.
    """
    train.finish_running(platform, api, DAILY)
    before = train.deployed_bundle(platform.settings)
    try:
        train.run_to_end(platform, api, DAILY, force=force, note=AGAIN)
    except RunFailedError as error:
        if error.tasks == {train.GATE}:
            _show_outcome(platform)
            raise _refused(platform, before) from error
        raise
    after = train.deployed_bundle(platform.settings)
    if after == before and not force and train.gate_reasons(platform.settings):
        # The bundle of this data was refused before, by a run that another command or the night began.
        _show_outcome(platform)
        raise _refused(platform, before)
    if after is None:
        if platform.counts().interactions == 0:
            remedy = f"Load your files with `python -m database.ingest load PATH`, then run `{AGAIN}` again"
            raise StartError("There are no interactions to train on", remedy)
        return
    if after == before:
        platform.report.line(
            f"Bundle {after} stays in service: nothing is new since (FORCE=1 trains all the same), or the "
            "training made it again"
        )
        return
    wait_for_bundle(platform, after)
    platform.report.line(f"The service uses bundle {after}")


def _refused(platform: Platform, serving: str | None) -> BundleNotAcceptedError:
    stays = f"bundle {serving} stays in service" if serving else "no bundle is in service"
    reasons = "; ".join(train.gate_reasons(platform.settings))
    lists = "" if serving else "Until a bundle passes, lists are made of popular items, texts and events. "
    return BundleNotAcceptedError(
        f"The gate refused the new bundle ({reasons}); {stays}",
        f"{lists}More events may do, or other params (docs/evaluation.md); then run `{AGAIN}` again",
        frozenset({train.GATE}),
    )


def _learn_weights(platform: Platform, api: AirflowApi) -> bool:
    """Learn the blend's weights if they never were on this data; whether there are new ones to train with."""
    workspace = open_workspace(platform.settings)
    if learned_on_this_data(platform.settings, workspace):
        return False
    if api.is_paused(WEEKLY):
        platform.report.line(f"{WEEKLY} is paused in Airflow: the blend keeps its weights")
        return False
    before = workspace.params_file.read_bytes()
    train.finish_running(platform, api, WEEKLY)
    if learned_on_this_data(platform.settings, workspace):
        return workspace.params_file.read_bytes() != before
    platform.report.line(
        "The blend's weights were never learned on this data: learning them now (WEIGHTS=0 leaves them)"
    )
    train.run_to_end(platform, api, WEEKLY, note=AGAIN)
    if not learned_on_this_data(platform.settings, workspace):
        platform.report.line(
            "The history is too short to learn weights on (`split` in params.yaml): the blend keeps its own"
        )
    return workspace.params_file.read_bytes() != before


def _show_examples(platform: Platform) -> None:
    report, address = platform.report, platform.service_address
    with connect(platform.settings) as conn:
        examples = find_examples(conn)
    with_key = platform.settings.reads_need_key
    keys = platform.settings.api_keys
    key = keys.get_secret_value().split(",")[0].strip() if with_key and keys else None
    report.plain("Try it:")
    for request in requests_for(examples):
        result = result_line(request, address, key)
        if result is not None:
            report.plain(f"  # {request.about}: {result}")
            report.plain(f"  $ {request.command(address, with_key=with_key)}")


def _show_outcome(platform: Platform) -> None:
    workspace = open_workspace(platform.settings)
    platform.report.plain()
    for line in outcome_lines(platform.settings, workspace):
        platform.report.plain(line)
    platform.report.plain()


def interrupted(settings: Settings) -> str:
    """What to say when the operator stops following."""
    where = settings.airflow_address
    return (
        f"Stopped following; the run goes on in Airflow ({where}). `{AGAIN}` follows it to its end, then "
        "starts another."
    )
