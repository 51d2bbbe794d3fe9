"""Model cards: what a registered version is, in Markdown, made from its run's own figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.data.snapshot import Snapshot
from training.evaluation.ranking import ITEMS
from training.evaluation.tables import estimate
from training.markdown import table
from training.models.blend import BLEND
from training.models.registry import algorithm
from training.params import Params
from training.params.learning import SplitParams
from training.tracking.lineage import Lineage

BLEND_ABOUT = "The list that users see: weighted sum of several models' normalised scores."
BLEND_LIMITS = "No better than its models where all are weak: items with few interactions."

BUNDLE_ABOUT = (
    "All models of one snapshot, deployed together. The version with the alias `champion` is in service; "
    "`python -m training.release bundles` lists them with what the gate decided."
)

SLICES_OF_USERS = {
    "all": "all",
    "warm_users": "with a history",
    "few_interactions_users": "with under 5 interactions",
    "cold_users": "unknown before the test",
    ITEMS: "whose right answers are items with under 5 interactions",
}
"""Slice of an evaluation → the users in it, in words."""

METRICS = ("ndcg", "recall", "hit_rate", "coverage", "gini", "novelty")


@dataclass(frozen=True)
class Origin:
    """What every card of one snapshot has in common."""

    lineage: Lineage
    snapshot: Snapshot
    params: Params


def model_card(name: str, evaluation: Mapping[str, Any], origin: Origin, bundle: str | None = None) -> str:
    """The card of a model's version, or of the blend.

    Args:
        name: of the model.
        evaluation: content of its metrics.json.
        origin: what it was learned from.
        bundle: id of the bundle that it is part of, once there is one.
    """
    text, limits = _about(name)
    lines = [f"# {name}", "", text, ""]
    lines += _origin(origin, bundle)
    lines += _params_section(name, origin.params)
    lines += [
        "## Metrics",
        "",
        *_protocol(origin.params.split),
        *_slices(evaluation, origin.params.evaluation.cutoffs[0]),
        "",
    ]
    lines += ["## Limits", "", f"- {limits}"]
    lines += ["- For users without a history the service uses popularity."]
    lines += [
        "- Metrics are from one shop and one period; intervals cover chance between users only.",
        "",
    ]
    return "\n".join(lines)


def about(name: str) -> str:
    """What the registered model `name` is, whatever its version."""
    text, limits = _about(name)
    return f"{text}\n\n{limits}"


def how_to_load(registered: str, version: str) -> str:
    """The part of a registered model's card that its number is needed for."""
    return "\n".join(
        [
            "## How to load it",
            "",
            "With `MLFLOW_TRACKING_URI` set to this server, and the packages of its requirements.txt:",
            "",
            "```python",
            "import mlflow, pandas",
            "",
            f'model = mlflow.pyfunc.load_model("models:/{registered}/{version}")',
            'histories = pandas.DataFrame({"history": [["an item id", "another"]]})',
            'model.predict(histories, params={"k": 10})  # a list for each history',
            "```",
            "",
        ]
    )


def bundle_card(bundle: str, comparison: str, versions: Mapping[str, str], origin: Origin) -> str:
    """The card of a bundle's version.

    Args:
        bundle: its id.
        comparison: the table of all models, in Markdown.
        versions: model → registered name and version, as a link's text.
        origin: what it was learned from.
    """
    lines = [f"# Bundle {bundle}", "", "All models of one snapshot, deployed together.", ""]
    lines += _origin(origin, None)
    lines += ["## Metrics", "", *_protocol(origin.params.split), comparison.strip(), ""]
    weights = ", ".join(f"{name} {weight:g}" for name, weight in origin.params.blend.tuned.items())
    rows = [*versions.items(), (BLEND, weights)]
    lines += ["## Contents", "", table(["model", "version"], rows)]
    lines += ["## How to load and rebuild it", ""]
    lines += [
        "The service follows the deployment row in the database. In Python, "
        "`training.models.bundle.load_bundle(FOLDER)` opens the folder `bundle` of the run's artifacts. "
        f"`make replay BUNDLE={bundle}` rebuilds it and compares.",
        "",
    ]
    return "\n".join(lines)


def _origin(origin: Origin, bundle: str | None) -> list[str]:
    lineage, snapshot = origin.lineage, origin.snapshot
    rows = {
        "snapshot (DVC hash)": f"`{lineage.snapshot}`",
        "newest row": snapshot.as_of,
        "rows": ", ".join(f"{count:,} {name}" for name, count in snapshot.rows.items()),
        "watermark": f"catalogue {snapshot.catalogue_seq}, interaction {snapshot.interaction_id}",
        "code": f"`{lineage.git_commit}`",
        "params": f"`{lineage.params}`",
        **({"bundle": f"`{bundle}`"} if bundle else {}),
    }
    return ["## Trained on", "", table(["", ""], rows.items())]


def _about(name: str) -> tuple[str, str]:
    """One sentence on a model or the blend, and one on what it can't do."""
    if name == BLEND:
        return BLEND_ABOUT, BLEND_LIMITS
    found = algorithm(name)
    return found.about, found.limits


def _params_section(name: str, params: Params) -> list[str]:
    section = params.blend.tuned if name == BLEND else params.model(name).model_dump(mode="json")
    title = "weight of" if name == BLEND else "param"
    return ["## Params", "", table([title, "value"], [*section.items(), ("seed", params.seed)])]


def _protocol(split: SplitParams) -> list[str]:
    held = (
        "each user's last item" if split.protocol == "leave_last_out" else f"the last {split.test_days} days"
    )
    return [
        f"Held out: {held}. The whole catalogue is ranked, without items the user already has. The model "
        "evaluated was trained on earlier data; the registered files were trained on the whole snapshot. "
        "In brackets: 95 % intervals over users.",
        "",
    ]


def _slices(evaluation: Mapping[str, Any], k: int) -> list[str]:
    """One row a slice that has users; one column a metric at the first cutoff."""
    columns = [f"{metric}@{k}" for metric in METRICS]
    rows = []
    for part, title in SLICES_OF_USERS.items():
        found, users = evaluation["slices"].get(part, {}), evaluation["users"].get(part, 0)
        if users:
            known = [column for column in columns if part != ITEMS or not column.startswith("coverage")]
            cells = [estimate(found.get(column)) if column in known else "" for column in columns]
            rows.append([title, f"{users:,}", *cells])
    if not rows:
        return ["No test users: the history is too short.", ""]
    return [table(["users", "number", *columns], rows), *_new_items(evaluation["slices"][ITEMS], k)]


def _new_items(found: Mapping[str, Any], k: int) -> list[str]:
    """What becomes of items little is known of; nothing where there are none, or no lists."""
    coverage, share = estimate(found.get(f"coverage@{k}")), estimate(found.get(f"share@{k}"))
    if not coverage or not share:
        return []
    return [
        f"Items with fewer than 5 interactions: {coverage} of them appear in lists of {k}, with {share} of "
        "the places."
    ]
