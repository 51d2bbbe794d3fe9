"""Model cards: what a registered version is, in Markdown, made from its run's own figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.data.snapshot import Snapshot
from training.evaluation.ranking import ITEMS
from training.evaluation.tables import interval
from training.models.blend import BLEND
from training.params import Params
from training.tracking.lineage import Lineage

ABOUT = {
    "als": "Alternating least squares on implicit feedback: who acted alike will act alike.",
    "nmf": "Non-negative matrix factorisation: users and items as mixtures of topics.",
    "tfidf": "TF-IDF neighbours: items whose name and sub-category use the same rare words.",
    "embeddings": "Sentence embeddings: items whose texts mean the same.",
    "fpgrowth": "Association rules between pairs of items in one basket.",
    "popularity": "Baseline: what most users acted on lately.",
    "itemknn": "Challenger: items that the same users act on, by shrunk cosine.",
    "ease": "Challenger: a linear item-to-item model in closed form.",
    "trending": "Baseline: what most was made of lately, the platform's decayed score as of the cut.",
    BLEND: "What users are shown: the scores of several models, each over its spread, weighted and added.",
}

COLORS = dict(
    zip(
        ABOUT,
        (
            "#1f77b4",
            "#ff7f0e",
            "#2ca02c",
            "#d62728",
            "#9467bd",
            "#8c564b",
            "#e377c2",
            "#7f7f7f",
            "#bcbd22",
            "#17becf",
        ),
        strict=True,
    )
)
"""A model's colour in MLflow's charts: that of the plots, in which the models stand in the same order."""

_NEEDS_ACTS = "An item that nobody acted on before the snapshot is never in its lists."
LIMITS = {
    "als": _NEEDS_ACTS,
    "nmf": f"{_NEEDS_ACTS} A skip only takes back what else the user did with the same item.",
    "tfidf": "An item without a text has no neighbours; it knows words, not tastes.",
    "embeddings": "An item without a text has no neighbours; it knows meanings, not tastes.",
    "fpgrowth": "Only items that stand in enough baskets together have rules; the params say how many.",
    "popularity": "The same list for everybody, save what a user already has.",
    "itemknn": _NEEDS_ACTS,
    "ease": f"{_NEEDS_ACTS} Of a catalogue above `max_items` it knows the items with the most users.",
    "trending": "The same list for everybody, save what a user already has: items with events of late.",
    BLEND: "No better than the models in it where all of them are weak: items that few acted on.",
}

SEGMENTS = {
    "all": "all",
    "warm_users": "with a history",
    "few_interactions_users": "with under 5 interactions",
    "cold_users": "unknown before the test",
    ITEMS: "whose right answers are items with under 5 interactions",
}
"""Slice of an evaluation → the users in it, in words."""

COLUMNS = ("ndcg", "recall", "hit_rate", "coverage", "gini", "novelty")


@dataclass(frozen=True)
class Origin:
    """What every card of one snapshot tells alike."""

    lineage: Lineage
    snapshot: Snapshot
    params: Params


def model_card(name: str, measured: Mapping[str, Any], origin: Origin, bundle: str | None = None) -> str:
    """The card of a model's version, or of the blend.

    Args:
        name: of the model.
        measured: content of its metrics.json.
        origin: what it was learned from.
        bundle: id of the bundle that it is part of, once there is one.
    """
    lines = [f"# {name}", "", ABOUT[name], ""]
    lines += _origin(origin, bundle)
    lines += _params(name, origin.params)
    lines += ["## How good it is", "", *_protocol(origin.params), *_segments(measured, origin.params), ""]
    lines += ["## Limits", "", f"- {LIMITS[name]}"]
    lines += ["- An empty history gets no list of its own: the service answers from popularity then."]
    lines += [
        "- The figures are of one shop at one time; the intervals tell of chance between users only.",
        "",
    ]
    return "\n".join(lines)


def how_to_load(registered: str, version: str) -> str:
    """The part of a registered model's card that its number is needed for."""
    return "\n".join(
        [
            "## How to load it",
            "",
            "In a checkout's environment, with `MLFLOW_TRACKING_URI` set to this server:",
            "",
            "```python",
            "import mlflow",
            "",
            f'model = mlflow.pyfunc.load_model("models:/{registered}/{version}")',
            'model.predict([["an item id", "another"]], params={"k": 10})  # a list for each history',
            "```",
            "",
        ]
    )


def bundle_card(bundle: str, table: str, versions: Mapping[str, str], origin: Origin) -> str:
    """The card of a bundle's version.

    Args:
        bundle: its id.
        table: of all models, in Markdown.
        versions: model → registered name and version, as a link's text.
        origin: what it was learned from.
    """
    lines = [f"# Bundle {bundle}", "", "The models of one snapshot, served together.", ""]
    lines += _origin(origin, None)
    lines += ["## How good it is", "", *_protocol(origin.params), table.strip(), ""]
    lines += ["## What is in it", "", "| model | version |", "|---|---|"]
    lines += [f"| {name} | {version} |" for name, version in versions.items()]
    weights = ", ".join(f"{name} {weight:g}" for name, weight in origin.params.blend.tuned.items())
    lines += [f"| {BLEND} | {weights} |", "", "## How to load and rebuild it", ""]
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
    return [
        "## Made from",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in rows.items()),
        "",
    ]


def _params(name: str, params: Params) -> list[str]:
    section = params.blend.tuned if name == BLEND else getattr(params, name).model_dump(mode="json")
    title = "weight of" if name == BLEND else "param"
    rows = [f"| {key} | {value} |" for key, value in section.items()]
    return ["## Params", "", f"| {title} | value |", "|---|---|", *rows, f"| seed | {params.seed} |", ""]


def _protocol(params: Params) -> list[str]:
    split = params.split
    held = (
        "each user's last item" if split.protocol == "leave_last_out" else f"the last {split.test_days} days"
    )
    return [
        f"Held out: {held}. The whole catalogue is ranked, what a user already had left out. The measured "
        "model was fitted on what came before; the registered files are the same model fitted on the whole "
        "snapshot. In brackets: 95 % intervals over users.",
        "",
    ]


def _segments(measured: Mapping[str, Any], params: Params) -> list[str]:
    """One row a slice that has users; one column a metric at the first cutoff."""
    k = params.evaluation.cutoffs[0]
    columns = [f"{metric}@{k}" for metric in COLUMNS]
    lines = [f"| users | number | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for part, words in SEGMENTS.items():
        found, users = measured["slices"].get(part, {}), measured["users"].get(part, 0)
        if users:
            known = [column for column in columns if part != ITEMS or not column.startswith("coverage")]
            cells = " | ".join(interval(found.get(column)) if column in known else "" for column in columns)
            lines.append(f"| {words} | {users:,} | {cells} |")
    if len(lines) == 2:
        return ["Nobody could be tested: the history is too short.", ""]
    return [*lines, "", *_new_items(measured["slices"][ITEMS], k)]


def _new_items(found: Mapping[str, Any], k: int) -> list[str]:
    """What becomes of items little is known of; nothing where there are none, or no lists."""
    shown, share = interval(found.get(f"coverage@{k}")), interval(found.get(f"share@{k}"))
    if not shown or not share:
        return []
    return [
        f"Items with under 5 interactions: {shown} of them stand in a list of {k}, of which they are {share}."
    ]
