"""What goes to MLflow after each step: params, metrics, tables, plots, model cards, decisions."""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from training.evaluation import load_metrics
from training.gate import Decision
from training.models.blend import BLEND
from training.models.bundle import hash_files
from training.params import Params
from training.tracking import Lineage, Tracker, Version, load_versions, text_artifact
from training.workspace import Workspace

logger = logging.getLogger(__name__)

ABOUT = {
    "als": "Alternating least squares on implicit feedback: who acted alike will act alike.",
    "nmf": "Non-negative matrix factorisation: users and items as mixtures of topics.",
    "tfidf": "TF-IDF neighbours: items whose name and sub-category use the same rare words.",
    "embeddings": "Sentence embeddings: items whose texts mean the same.",
    "fpgrowth": "Association rules between pairs of items in one basket.",
    "popularity": "Baseline: what most users acted on lately.",
    "itemknn": "Challenger: items that the same users act on, by shrunk cosine.",
    "ease": "Challenger: a linear item-to-item model in closed form.",
}


def metric_name(name: str) -> str:
    """A metric's name as MLflow allows it: "ndcg@10 cold_users" becomes ndcg_at_10.cold_users."""
    return name.replace("@", "_at_").replace(" ", ".")


def record_model(
    tracker: Tracker, lineage: Lineage, workspace: Workspace, name: str, *, params: Params, seconds: float
) -> Version:
    """Log a trained model as a run below its bundle's, and register what will be served."""
    run = tracker.model_run(lineage, name)
    values = load_metrics(workspace, name)["headline"]
    section = getattr(params, name).model_dump(mode="json")
    used = {name: section, "seed": params.seed, "split": params.split.model_dump(mode="json")}
    metrics = {metric_name(key): value for key, value in values.items()}
    tracker.log(run, used, metrics | {"duration_seconds": seconds})
    tracker.log_files(run, workspace.evaluation / name, "evaluation")
    curve = json.loads((workspace.evaluation / name / "curve.json").read_text())
    tracker.log_curve(run, curve)
    files = workspace.models / name
    content = hashlib.sha256(json.dumps(hash_files(files), sort_keys=True).encode()).hexdigest()
    card = model_card(name, section, values, lineage)
    with text_artifact("model_card.md", card) as path:
        tracker.log_files(run, path, "card")
    version = tracker.register_model(run, name, files, content, card)
    tracker.finish(run)
    logger.info("%s is %s version %s, run %s.", name, version.name, version.version, run)
    return version


def record_evaluation(tracker: Tracker, lineage: Lineage, workspace: Workspace, params: Params) -> None:
    """Log the table of all models to the parent run, and print it into the log."""
    run = tracker.bundle_run(lineage)
    blend = load_metrics(workspace, BLEND)["headline"]
    table = (workspace.evaluation / "summary" / "table.md").read_text()
    logger.info("\n%s", table)
    values = {f"{BLEND}.{metric_name(key)}": value for key, value in blend.items() if " " not in key}
    tracker.log(run, params.model_dump(mode="json"), values)
    tracker.log_files(run, workspace.evaluation / "summary", "evaluation")


def record_bundle(tracker: Tracker, lineage: Lineage, workspace: Workspace) -> None:
    """Log the assembled bundle's manifest and each model's headline to the parent run."""
    run = tracker.bundle_run(lineage)
    manifest: dict[str, Any] = json.loads((workspace.bundle / "manifest.json").read_text())
    metrics = {
        f"{name}.{metric_name(key)}": value
        for name, entry in manifest["models"].items()
        for key, value in entry["metrics"].items()
        if " " not in key
    }
    tracker.log(run, {}, metrics)
    tracker.tag(run, {"shortlist.bundle": manifest["bundle_id"]})
    version = tracker.register_bundle(run, manifest["bundle_id"], workspace.bundle)
    tracker.set_aliases(version.name, {"challenger": version.version})
    for name, model in load_versions(workspace.tracking).items():
        if name in manifest["models"]:
            tracker.set_aliases(model.name, {"challenger": model.version})
    logger.info("Bundle %s is %s version %s.", manifest["bundle_id"], version.name, version.version)


def record_verdict(tracker: Tracker, lineage: Lineage, decision: Decision) -> None:
    """Log the gate's decision, with every number, to the parent run, and end it."""
    run = tracker.bundle_run(lineage)
    with text_artifact("decision.md", decision.as_table() + "\n") as path:
        tracker.log_files(run, path, "gate")
    with text_artifact("decision.json", json.dumps(decision.as_dict(), indent=1) + "\n") as path:
        tracker.log_files(run, path, "gate")
    numbers = {
        f"gate.{check.name.replace(' ', '_')}": check.value
        for check in decision.checks
        if check.value is not None
    }
    tracker.log(run, {}, numbers)
    tracker.tag(run, {"shortlist.gate": "accepted" if decision.accepted else "refused"})
    tracker.finish(run)


def model_card(name: str, section: Mapping[str, Any], values: Mapping[str, float], lineage: Lineage) -> str:
    """A Markdown card of one version, made from its run."""
    lines = [f"# {name}", "", ABOUT[name], ""]
    lines += [f"Snapshot `{lineage.snapshot}`, code `{lineage.git_commit}`, params `{lineage.params}`.", ""]
    lines += ["Measured on the held-out time by the same model fitted on the time before it; the registered"]
    lines += ["files are that model fitted on the whole snapshot with the same params.", ""]
    lines += [
        "| param | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in section.items()),
        "",
    ]
    lines += ["| metric | value |", "|---|---|"]
    lines += [f"| {key} | {value:.4f} |" for key, value in sorted(values.items()) if " " not in key]
    lines += ["", "An empty history gets no list of its own: the service answers from popularity then."]
    return "\n".join(lines) + "\n"
