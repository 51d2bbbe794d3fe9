"""MLflow's runs after each step: params, metrics, tables, plots, model cards, decisions."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.data.snapshot import read_snapshot
from training.data.workspace import Workspace
from training.evaluation.holdout import load_metrics
from training.evaluation.plots import color, draw_curve
from training.markdown import table
from training.models.blend import BLEND
from training.models.bundle import hash_files
from training.models.core.vocabulary import Vocabulary
from training.models.registry import names
from training.params import Params, learned_sections
from training.pyfunc import ITEMS
from training.release.gate import Decision
from training.tracking.cards import BUNDLE_ABOUT, Origin, about, bundle_card, how_to_load, model_card
from training.tracking.lineage import Lineage
from training.tracking.registry import BUNDLE, BUNDLE_ID, CHALLENGER
from training.tracking.run import COLOR, TrackedRun
from training.tracking.tracker import Tracker
from training.tracking.versions import Version, load_versions

logger = logging.getLogger(__name__)

CURVE = "curve.json"


def metric_name(name: str) -> str:
    """A metric's name as MLflow allows it: "ndcg@10" becomes ndcg_at_10."""
    return name.replace("@", "_at_")


def metrics_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a metrics.json with its interval, named as MLflow allows it.

    all_users/ndcg_at_10, with _low and _high beside it, is of all users, warm_users/ndcg_at_10 of a slice:
    MLflow shows each as a group of charts, in the order of the alphabet.
    """
    flat: dict[str, float] = {}
    for part, metrics in evaluation["slices"].items():
        group = "all_users/" if part == "all" else f"{part}/"
        flat[f"{group}users"] = evaluation["users"][part]
        for name, found in metrics.items():
            key = group + metric_name(name)
            flat |= {key: found["value"], f"{key}_low": found["low"], f"{key}_high": found["high"]}
    return flat


def overall(evaluation: Mapping[str, Any], group: str) -> dict[str, float]:
    """A model's numbers over all users, without intervals, as a group of the parent run's metrics."""
    all_users = evaluation["slices"].get("all", {})
    return {f"{group}/{metric_name(name)}": found["value"] for name, found in all_users.items()}


def log_model(
    tracker: Tracker, lineage: Lineage, workspace: Workspace, name: str, *, params: Params, seconds: float
) -> Version:
    """Log a trained model as a run below its bundle's, and register what will be served."""
    run = tracker.model_run(lineage, name)
    used = {name: params.model(name).model_dump(mode="json"), **_protocol(params)}
    card = model_card(name, load_metrics(workspace, name), _origin(lineage, workspace, params))
    run.log(used, {})
    _log_pages(run, workspace, name, card)
    curve = json.loads((workspace.evaluation / name / CURVE).read_text())
    run.log_curve(curve)
    _log_snapshot(run, workspace)
    if len(curve) > 1:
        with tempfile.TemporaryDirectory() as folder:
            draw_curve(name, curve, Path(folder) / "training_curve.png")
            run.log_files(Path(folder), "evaluation")
    with _registrable(workspace, name) as files:
        content = hashlib.sha256(json.dumps(hash_files(files), sort_keys=True).encode()).hexdigest()
        example = Vocabulary.load(files / ITEMS).id(0)
        version = tracker.registry.register_model(run, name, files, content, example)
    metrics = metrics_of(load_metrics(workspace, name)) | {"duration_seconds": seconds}
    run.log({}, metrics, model_id=tracker.registry.logged_model(version))
    tracker.registry.describe_models({name: about(name)})
    tracker.registry.describe(version, card + "\n" + how_to_load(version.name, version.version))
    run.finish()
    logger.info("%s is %s version %s, run %s.", name, version.name, version.version, run.id)
    return version


def log_evaluation(tracker: Tracker, lineage: Lineage, workspace: Workspace, params: Params) -> None:
    """Log the rankers that have no stage of their own as runs beside the models; all to the parent run.

    They are not registered: no file of them is served.
    """
    run = tracker.bundle_run(lineage)
    settings: dict[str, dict[str, Any]] = {
        name: {name: params.model(name).model_dump(mode="json")} for name in names(scope="evaluation")
    }
    settings[BLEND] = {"weight": params.blend.tuned}
    for name, used in settings.items():
        child = tracker.model_run(lineage, name, json.dumps(next(iter(used.values())), sort_keys=True))
        evaluation = load_metrics(workspace, name)
        child.log({**used, **_protocol(params)}, metrics_of(evaluation))
        _log_pages(child, workspace, name, model_card(name, evaluation, _origin(lineage, workspace, params)))
        child.finish()
        run.log({}, overall(evaluation, name))
    comparison = (workspace.evaluation / "summary" / "table.md").read_text()
    logger.info("\n%s", comparison)
    run.log(learned_sections(params.model_dump(mode="json")), {})
    run.log_files(workspace.evaluation / "summary", "evaluation")
    frozen = workspace.frozen_params
    run.log_files(frozen if frozen.exists() else workspace.params_file, "params")
    best_first = _best_first(tracker.children(run.id), workspace, params.gate.metric)
    charts = tracker.charts(run.id, f"all_users/{metric_name(params.gate.metric)}")
    links = f"Compare all of them [in a table]({tracker.comparison(best_first)}) or [in charts]({charts})."
    run.describe("Models", f"{links}\n\n{comparison}")
    run.finish()


def log_bundle(tracker: Tracker, lineage: Lineage, workspace: Workspace, params: Params) -> None:
    """Register the assembled bundle, make it the challenger, and write its id into its models' cards."""
    run = tracker.bundle_run(lineage)
    manifest: dict[str, Any] = json.loads((workspace.bundle / "manifest.json").read_text())
    bundle, origin = manifest["bundle_id"], _origin(lineage, workspace, params)
    run.rename(f"bundle {bundle}")
    run.tag({BUNDLE_ID: bundle})
    _log_snapshot(run, workspace)
    example = Vocabulary.load(workspace.bundle / ITEMS).id(0)
    version = tracker.registry.register_bundle(run, bundle, workspace.bundle, example)
    tracker.registry.describe_models({BUNDLE: BUNDLE_ABOUT})
    measured = (overall(load_metrics(workspace, name), name) for name in manifest["models"])
    run.log({}, {key: value for each in measured for key, value in each.items()})
    known = load_versions(workspace.tracking)
    models = {name: model for name, model in known.items() if name in manifest["models"]}
    comparison = (workspace.evaluation / "summary" / "table.md").read_text()
    titles = {name: f"{model.name} version {model.version}" for name, model in models.items()}
    card = bundle_card(bundle, comparison, titles, origin)
    tracker.registry.describe(version, card + "\n" + how_to_load(version.name, version.version))
    tracker.registry.set_aliases(version.name, {CHALLENGER: version.version})
    for name, model in models.items():
        card = model_card(name, load_metrics(workspace, name), origin, bundle)
        tracker.registry.describe(model, card + "\n" + how_to_load(model.name, model.version))
        tracker.registry.set_aliases(model.name, {CHALLENGER: model.version})
    logger.info("Bundle %s is %s version %s.", bundle, version.name, version.version)


def log_decision(tracker: Tracker, lineage: Lineage, decision: Decision) -> None:
    """Log the gate's decision, with every number, to the parent run, and end it."""
    run = tracker.bundle_run(lineage)
    run.log_text(decision.as_table(), "gate/decision.md")
    run.log_text(json.dumps(decision.as_dict(), indent=1) + "\n", "gate/decision.json")
    numbers = {
        f"gate/{check.name.replace(' ', '_')}": check.value
        for check in decision.checks
        if check.value is not None
    }
    run.log({}, {"gate/accepted": decision.accepted, **numbers})
    run.tag({"shortlist.gate": "accepted" if decision.accepted else "refused"})
    run.describe("Gate", decision.as_table())
    run.finish()


def log_click_rate(run: TrackedRun, clicks: Mapping[str, float], hours: int) -> None:
    """Log how a bundle's lists were clicked to its parent run.

    Args:
        run: the bundle's parent run.
        clicks: figure → value, all of the time since its deployment.
        hours: age of the bundle, the step of the figures: MLflow draws them over it.
    """
    run.log({}, {f"online/{name}": value for name, value in clicks.items()}, step=hours)
    rows = [(name.replace("_", " "), f"{value:g}") for name, value in clicks.items()]
    run.describe("Online", f"{hours} hours after its snapshot:\n\n{table(['', ''], rows)}")


def _log_pages(run: TrackedRun, workspace: Workspace, name: str, card: str) -> None:
    """What a model's run and the blend's have in common: the evaluation's files, the card, the colour."""
    run.tag({COLOR: color(name)})
    run.log_files(workspace.evaluation / name, "evaluation")
    run.log_text(card, "card/model_card.md")


def _log_snapshot(run: TrackedRun, workspace: Workspace) -> None:
    snapshot = read_snapshot(workspace)
    run.log_snapshot(snapshot.md5, snapshot.rows)


def _best_first(runs: Mapping[str, str], workspace: Workspace, metric: str) -> list[str]:
    """The runs (by model), in the order of the metric that the gate looks at."""

    def value(name: str) -> float:
        return float(load_metrics(workspace, name)["headline"].get(metric, 0.0))

    return [runs[name] for name in sorted(runs, key=value, reverse=True)]


def _protocol(params: Params) -> dict[str, Any]:
    return {"seed": params.seed, "split": params.split.model_dump(mode="json")}


def _origin(lineage: Lineage, workspace: Workspace, params: Params) -> Origin:
    return Origin(lineage, read_snapshot(workspace), params)


@contextmanager
def _registrable(workspace: Workspace, name: str) -> Iterator[Path]:
    """A folder of links to the model's files and to the item vocabulary that its indexes are of."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / name
        shutil.copytree(workspace.models.resolve() / name, folder, copy_function=os.symlink)
        (folder / ITEMS).symlink_to(workspace.prepared.resolve() / ITEMS)
        yield folder
