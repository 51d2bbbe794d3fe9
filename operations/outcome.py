"""What came of a training: the models on this data, the blend against them, its weights' origin."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from database.connection import connect
from database.deployments import snapshots_served
from database.settings import Settings
from training.data.snapshot import read_snapshot
from training.data.workspace import Workspace
from training.evaluation.holdout import load_metrics
from training.markdown import difference
from training.models.blend import BLEND
from training.params import load_params
from training.tuning.search_history import load_weights_search


def outcome_lines(settings: Settings, workspace: Workspace) -> list[str]:
    """The table of models, the verdict on the blend, and its weights; one line if nothing was evaluated."""
    file = workspace.evaluation / "summary" / "summary.json"
    if not file.exists():
        return ["No models have been evaluated yet."]
    summary = json.loads(file.read_text())
    return [
        *_evaluation_lines(workspace, summary),
        "",
        *weights_lines(load_params(workspace.params_file).blend.tuned, workspace, settings),
    ]


def learned_on_this_data(settings: Settings, workspace: Workspace) -> bool:
    """Whether the blend's weights were ever searched on a snapshot of this database."""
    search = load_weights_search(workspace.data / "tuning" / BLEND)
    return search is not None and search.snapshot in _own_snapshots(settings, workspace)


def weights_lines(tuned: Mapping[str, float], workspace: Workspace, settings: Settings) -> list[str]:
    """The blend's weights, and whether they are of this data."""
    weights = ", ".join(
        f"{name} {weight:g}" for name, weight in sorted(tuned.items(), key=lambda pair: -pair[1])
    )
    search = load_weights_search(workspace.data / "tuning" / BLEND)
    if search is None or search.snapshot not in _own_snapshots(settings, workspace):
        origin = "from params.yaml; not learned on this data"
    elif dict(search.weights) == dict(tuned):
        origin = "learned on this data"
    elif search.verdict is not None and search.verdict["verdict"] != "better":
        gain = _of(search.verdict)
        origin = f"from params.yaml; those learned on this data are not shown to be better ({gain})"
    else:
        origin = "from params.yaml, edited since weights were learned on this data"
    return [f"Weights of the blend: {weights}", f"  {origin}"]


def _evaluation_lines(workspace: Workspace, summary: Mapping[str, Any]) -> list[str]:
    metric, baseline, users = summary["metric"], summary["baseline"], summary["users"]
    if not users.get("all"):
        return ["The history is too short to hold anything out: no model could be evaluated."]
    recall, coverage = (metric.replace("ndcg", other) for other in ("recall", "coverage"))
    head = ["model", metric, "95 % interval", recall, coverage]
    best_first = sorted(
        summary["models"], key=lambda name: summary["models"][name].get(metric, 0.0), reverse=True
    )
    rows = [_row(name, head, load_metrics(workspace, name)["slices"].get("all", {})) for name in best_first]
    test = f"{users['all']:,} test users, {users.get('cold_users', 0):,} of them without a history"
    lines = [f"The models on this data ({test}):", "", *_aligned([head, *rows]), ""]
    if found := summary["against_baseline"].get(BLEND):
        lines.append(f"The blend against {baseline}: {_of(found)}: {found['verdict']}")
    if found := summary.get("against_best_single"):
        single = found["model"]
        lines.append(f"The blend against the best single model, {single}: {_of(found)}: {found['verdict']}")
    return lines


def _row(name: str, head: Sequence[str], found: Mapping[str, Mapping[str, float]]) -> list[str]:
    metric, recall, coverage = head[1], head[3], head[4]
    estimate = found.get(metric)
    span = f"{estimate['low']:.4f} to {estimate['high']:.4f}" if estimate else ""
    cells = [f"{found[key]['value']:.4f}" if key in found else "" for key in (metric, recall, coverage)]
    return [name, cells[0], span, *cells[1:]]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _of(found: Mapping[str, Any]) -> str:
    gain = difference(found["difference"], found["low"], found["high"])
    return f"{gain} over {found['users']:,} users"


def _own_snapshots(settings: Settings, workspace: Workspace) -> frozenset[str]:
    """Hashes of this database's snapshots: of the bundles that served, and of the workspace's own."""
    own = {read_snapshot(workspace).md5} if workspace.snapshot_pointer.exists() else set()
    return _served(settings) | own


def _served(settings: Settings) -> frozenset[str]:
    with connect(settings) as conn:
        return snapshots_served(conn)
