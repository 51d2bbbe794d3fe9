"""The steps of the daily run, by name: a stage of dvc.yaml with its MLflow run, or a step around them.

Every step reads what it needs from the workspace and the database, so each may be run again.
`python -m training.pipeline` runs them by hand; `--until evaluate` compares models and deploys nothing.
"""

import getpass
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import click
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from data_checks.errors import DataCheckError
from database.command_line import errors_as_messages
from database.connection import connect
from database.deployments import current, find_manifest
from database.embeddings import index_items
from database.errors import DatabaseError
from database.export import count
from database.gate_decisions import decisions, record_decision
from database.settings import Settings, get_settings
from database.training_failures import record_failure
from training.data.snapshot import DESCRIPTION, commit_pipeline, read_snapshot, read_watermark, take_snapshot
from training.data.workspace import Workspace, check_holds, locked, open_workspace
from training.errors import TrainingError
from training.models.bundle import read_manifest
from training.models.registry import names as model_names
from training.params import Params, learned_sections, load_params, params_of
from training.pipeline import memory
from training.pipeline.frozen_params import changed_since, freeze, read_frozen
from training.pipeline.inbox import ingest_inbox
from training.pipeline.run_logging import log_bundle, log_decision, log_evaluation, log_model
from training.pipeline.stages import run_stage
from training.release.bundle import git_commit, store_bundle
from training.release.champion import for_later_nights, read_champion
from training.release.comparison import ComparisonParams, compare_with_champion
from training.release.gate import Override, decide, overrule
from training.release.promotion import PromotionError, mirror, promote
from training.tracking.lineage import Lineage
from training.tracking.tracker import Tracker
from training.tracking.versions import load_versions, save_version

logger = logging.getLogger(__name__)


class NothingNewError(TrainingError):
    """There is nothing to learn: nothing happened since the last decision, or nothing at all so far."""


class StoppedError(TrainingError):
    """The data check or the gate failed; a retry would not change that."""


class RefusedError(StoppedError):
    """The gate rejected the bundle, as its MLflow run shows; the pipeline itself did not fail."""


@dataclass(frozen=True)
class Run:
    """What every step is given."""

    settings: Settings
    workspace: Workspace
    params: Params
    """Those that the snapshot is learned with, whatever params.yaml says by now."""
    force: bool = False
    """Learn although nothing is new."""
    accept: str | None = None
    """Why an operator lets the bundle serve although checks of the gate fail."""
    run_id: str | None = None
    """The scheduled run that the step is part of; None by hand."""

    def lineage(self) -> Lineage:
        """What the runs of this snapshot and these params are found by."""
        return Lineage(read_snapshot(self.workspace).md5, self.params.digest(), git_commit())

    def tracker(self) -> Tracker:
        """The MLflow server in use."""
        return Tracker(self.settings)


def run_steps(
    names: Sequence[str], *, force: bool = False, accept: str | None = None, run_id: str | None = None
) -> None:
    """Run steps of the daily run, in the installation's workspace.

    They hold its lock: another call waits until these have ended. Only models are fitted side by side.

    Args:
        names: keys of STEPS.
        force: learn although nothing happened since the last decision.
        accept: why the bundle may serve although checks of the gate fail; it is recorded with the decision.
        run_id: of the scheduled run that the steps are part of; None by hand, which works on what is there.

    Raises NothingNewError when the snapshot step found nothing to learn; StoppedError when a data check or
    the gate refused, or the workspace holds the data of another run; KeyError when there is no such step;
    FileNotFoundError when the workspace lacks something that DVC's stages name.
    """
    settings = get_settings()
    workspace = open_workspace(settings)
    check_holds(workspace.root)
    with locked(workspace, shared=all(name in model_names(scope="bundle") for name in names)):
        for name in names:
            started = time.monotonic()
            params = load_params(workspace.params_file) if name in BEFORE else read_frozen(workspace)
            run = Run(settings, workspace, params, force, accept, run_id)
            if name not in BEFORE:
                _require_own_data(run, name)
            try:
                STEPS[name](run)
            except (NothingNewError, RefusedError):
                raise
            except Exception as error:
                _mark_failed(run, name, error)
                raise
            logger.info("Step %s took %.1f s.", name, time.monotonic() - started)


def _mark_failed(run: Run, name: str, error: Exception) -> None:
    """Store why a step failed, and end the snapshot's run in MLflow as FAILED; a retry may end it otherwise.

    Steps up to the snapshot have no run yet: what the workspace holds then is the night's before.
    """
    cause = error.__cause__
    details = cause.as_dict() if isinstance(cause, DataCheckError) else {}
    try:
        with connect(run.settings) as conn:
            record_failure(conn, name, str(error) or type(error).__name__, details)
    except psycopg2.Error as unavailable:
        logger.warning("The failure could not be stored: %s", unavailable)
    order = list(STEPS)
    if order.index(name) > order.index("snapshot"):
        run.tracker().fail_bundle_run(run.lineage(), f"Step {name}: {type(error).__name__}: {error}")


def _require_own_data(run: Run, name: str) -> None:
    """Refuse a task whose snapshot is gone, or was replaced by another run: it would work on that one's data.

    Raises StoppedError, which says whose data is there and what to do, when it is another's.
    """
    if not (run.workspace.snapshot / DESCRIPTION).exists():
        raise StoppedError(
            f"task {name} finds no snapshot in {run.workspace.snapshot}: run `snapshot` again, with all that "
            "follows"
        )
    owner = run.workspace.owner.read_text() if run.workspace.owner.exists() else run.run_id
    if run.run_id not in (None, owner):
        raise StoppedError(
            f"task {name} belongs to run {run.run_id}, but the workspace holds the data of {owner}: "
            "clear `snapshot` of this run, with all that follows, or start a new one"
        )


def _ingest(run: Run) -> None:
    ingest_inbox(run.settings)


def _index(run: Run) -> None:
    """Encode the texts that came without a vector, before the snapshot that models learn from."""
    from training.models.core.encoder import Encoder

    model = run.params.embeddings.model

    @cache
    def encoder() -> Encoder:
        """Loaded when there is a text to encode: it takes seconds."""
        return Encoder(model)

    with connect(run.settings) as conn:
        index_items(conn, model, lambda texts: encoder().encode(texts))


def _snapshot(run: Run) -> None:
    """Export the database, unless a bundle that had its chance knows all of it, or a new shop has no events.

    A forced run exports it in any case. First MLflow's aliases are put right, should a crash have left them
    behind the database.
    """
    mirror(run.settings, run.tracker().registry)
    with connect(run.settings) as conn:
        watermark = read_watermark(conn)
        known = _learned_already(conn)
        conn.commit()
        if not run.force and any(_same_inputs(manifest, watermark, run.params) for manifest in known):
            raise NothingNewError(f"Nothing new since watermark {watermark}: no training.")
        # Of those that can't be learned from, such as events of unknown items, the data check tells.
        if not run.force and not known and watermark["interaction_id"] == 0:
            raise NothingNewError("No interactions yet: no training.")
        needed = _require_memory(conn, run.params)
        taken = take_snapshot(conn, run.workspace)
    freeze(run.workspace, run.params)
    run.workspace.owner.write_text(run.run_id or BY_HAND)
    logger.info("Snapshot %s of %s: %s", taken.md5, taken.as_of, taken.rows)
    tracker = run.tracker()
    tracker.fail_unfinished("The run was cut off: a later one has begun.")
    tracker.bundle_run(run.lineage()).tag({"shortlist.memory": needed})


def _require_memory(conn: Connection, params: Params) -> str:
    """Say what the night will need of memory. Raises StoppedError when the machine does not have it."""
    try:
        said = memory.require(count(conn), params, memory.available())
    except memory.MemoryShortageError as error:
        raise StoppedError(str(error)) from error
    finally:
        conn.commit()
    logger.info("%s", said)
    return said


def _learned_already(conn: Connection) -> list[dict[str, Any]]:
    """Manifests of the bundle that serves and of the one judged last, unless that still waits to be deployed.

    One that was accepted and never served was cut off between the gate and its deployment: it is made again.
    """
    served = current(conn)
    known = [served.manifest] if served else []
    for decision in decisions(conn, 1):
        if not decision.accepted or find_manifest(conn, decision.bundle_id) is not None:
            known.append(decision.report["manifest"])
    return known


def _same_inputs(manifest: dict[str, Any], watermark: dict[str, int], params: Params) -> bool:
    """Whether a bundle was learned from this data with these hyperparameters and weights of the blend."""
    wanted, had = params.model_dump(mode="json"), params_of(manifest)
    return bool(
        manifest["watermark"] == watermark
        and learned_sections(had) == learned_sections(wanted)
        and had["blend"]["tuned"] == wanted["blend"]["tuned"]
    )


def _validate(run: Run) -> None:
    try:
        run_stage("validate", run.workspace, run.params)
    except DataCheckError as error:
        raise StoppedError(str(error)) from error


def _stage(name: str) -> Callable[[Run], None]:
    def step(run: Run) -> None:
        run_stage(name, run.workspace, run.params)

    return step


def _train(name: str) -> Callable[[Run], None]:
    def step(run: Run) -> None:
        started = time.monotonic()
        run_stage(name, run.workspace, run.params)
        seconds = time.monotonic() - started
        version = log_model(
            run.tracker(), run.lineage(), run.workspace, name, params=run.params, seconds=seconds
        )
        save_version(run.workspace.tracking, name, version)

    return step


def _evaluate(run: Run) -> None:
    run_stage("evaluate", run.workspace, run.params)
    log_evaluation(run.tracker(), run.lineage(), run.workspace, run.params)


def _bundle(run: Run) -> None:
    run_stage("bundle", run.workspace, run.params)
    log_bundle(run.tracker(), run.lineage(), run.workspace, run.params)


def _commit(run: Run) -> None:
    """Write dvc.lock, unless it would record values of params.yaml that nothing was trained with."""
    if changed_since(run.workspace, run.params):
        logger.warning("params.yaml was changed during the run: dvc.lock stays as it was.")
        return
    commit_pipeline(run.workspace)


def _gate(run: Run) -> None:
    """Judge the assembled bundle against the one that serves; the decision is stored whatever it is."""
    params = run.params
    with connect(run.settings) as conn:
        champion = read_champion(conn, params.gate)
    sections = ComparisonParams(params.gate, params.split, params.evaluation, params.seed)
    found = compare_with_champion(run.settings, run.workspace, sections, champion)
    decision = decide(found, params.gate)
    if run.accept is not None:
        decision = overrule(decision, Override(run.accept, getpass.getuser()))
    logger.info("%s", decision.as_table())
    manifest = read_manifest(run.workspace.bundle).to_dict()
    report = decision.as_dict() | for_later_nights(found)
    report["manifest"] = {key: manifest[key] for key in ("watermark", "params")}
    with connect(run.settings) as conn:
        record_decision(conn, decision.bundle_id, decision.champion_id, decision.accepted, report)
    log_decision(run.tracker(), run.lineage(), decision)
    if not decision.accepted:
        raise RefusedError("; ".join(decision.reasons))


def _deploy(run: Run) -> None:
    stored = store_bundle(run.settings, run.workspace.bundle, load_versions(run.workspace.tracking))
    try:
        promotion = promote(
            run.settings, run.tracker().registry, stored, "daily training", run.params.guard.holdback()
        )
    except PromotionError as error:
        raise StoppedError(str(error)) from error
    logger.info(
        "Bundle %s is in service; previously: %s.", stored.bundle_id, promotion.previous_bundle or "none"
    )


STEPS: dict[str, Callable[[Run], None]] = {
    "ingest": _ingest,
    "index": _index,
    "snapshot": _snapshot,
    "validate": _validate,
    "prepare": _stage("prepare"),
    **{name: _train(name) for name in model_names(scope="bundle")},
    "evaluate": _evaluate,
    "bundle": _bundle,
    "commit": _commit,
    "gate": _gate,
    "deploy": _deploy,
}
"""Every step of the daily run, in an order that works."""

BY_HAND = "a run by hand"
"""Owner of a snapshot that no scheduled run took."""

BEFORE = ("ingest", "index", "snapshot")
"""Steps that go by params.yaml as it is; the others go by the copy that `snapshot` keeps."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*STEPS]), metavar="[STEP]...")
@click.option(
    "--until", type=click.Choice([*STEPS]), default="deploy", show_default=True, help="Last step to run."
)
@click.option("--force", is_flag=True, help="Train even if nothing has changed.")
@click.option(
    "--accept",
    metavar="REASON",
    help="Deploy the bundle even if checks of the gate fail; the reason is stored with the decision.",
)
@errors_as_messages(TrainingError, DatabaseError)
def main(names: tuple[str, ...], *, until: str, force: bool, accept: str | None) -> None:
    """Run steps of the daily training: the named ones, or all up to --until."""
    logging.basicConfig(
        level=get_settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    order = list(STEPS)
    try:
        run_steps(names or order[: order.index(until) + 1], force=force, accept=accept)
    except NothingNewError as reason:
        click.echo(str(reason))


if __name__ == "__main__":
    main()
