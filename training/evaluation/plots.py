"""Plots of an evaluation, for people: written as PNG beside the table, 95 % intervals drawn as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.evaluation.tables import MetricsByModel
from training.models.blend import BLEND
from training.models.registry import REGISTRY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = [
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#aec7e8",
    "#ffbb78",
    "#98df8a",
    "#ff9896",
    "#c5b0d5",
    "#c49c94",
    "#f7b6d2",
    "#c7c7c7",
    "#dbdb8d",
]
"""Colours of the models in the registry's order, from the start again where there are more."""
BLEND_COLOR = "#17becf"

ACTIVITY = {
    "cold_users": "unknown before\nthe test",
    "few_interactions_users": "under 5\ninteractions",
    "warm_users": "all with\na history",
}
"""Slice of the users → its name in the plot."""


def draw_plots(found: MetricsByModel, cutoffs: Sequence[int], folder: Path) -> None:
    """Draw the ranking of the models, metric by k, accuracy against coverage, and accuracy by activity.

    Args:
        found: model → the content of its metrics.json.
        cutoffs: lengths that were measured.
        folder: where the PNG files go.
    """
    k = cutoffs[0]
    draw_ranking(found, f"ndcg@{k}", folder / "ranking.png")
    draw_by_k(found, folder / "metric_by_k.png")
    draw_accuracy_against_coverage(found, k, folder / "accuracy_against_coverage.png")
    draw_activity(found, k, folder / "accuracy_by_activity.png")


def draw_ranking(found: MetricsByModel, metric: str, path: Path) -> None:
    """One line a model, the best on top: its value and interval over all users, and with a history."""
    figure, axes = _figure(8, 0.45 * len(found) + 1.6)
    for offset, part, name in ((0.15, "all", "all users"), (-0.15, "warm_users", "users with a history")):
        rows = [content["slices"].get(part, {}).get(metric) for content in _ranked(found, metric).values()]
        places = [place + offset for place, row in enumerate(rows) if row]
        values = [row for row in rows if row]
        axes.errorbar(
            [row["value"] for row in values], places, xerr=_bars(values), fmt="o", capsize=3, label=name
        )
    axes.set_yticks(range(len(found)), list(_ranked(found, metric)))
    axes.set(xlabel=f"{metric}, 95 % intervals", title="Every model on the same held-out users")
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_by_k(found: MetricsByModel, path: Path) -> None:
    """NDCG and recall at every length of the list, over all users, each interval as a band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.5), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("ndcg", "recall"), strict=True):
        for name, content in found.items():
            points = content["by_k"][metric]
            lengths, values, low, high = (
                [row[key] for row in points] for key in ("k", "value", "low", "high")
            )
            style = _style(name)
            axes.plot(lengths, values, "o-", markersize=3, **style)
            axes.fill_between(lengths, low, high, color=style["color"], alpha=0.12, linewidth=0)
        ticks = [1, *(k for k in lengths if k % 5 == 0)]
        axes.set(xlabel="k, length of the list", ylabel=f"{metric}@k", xticks=ticks)
        axes.set_xlim(min(lengths), max(lengths))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    figure.suptitle("Accuracy by the length of the list, all users; bands are 95 % intervals")
    _save(figure, path)


def draw_accuracy_against_coverage(found: MetricsByModel, k: int, path: Path) -> None:
    """Accuracy against the share of the catalogue that is in any list."""
    figure, axes = _figure(8, 5.5)
    for name, content in found.items():
        across, up = (content["slices"]["all"][f"{metric}@{k}"] for metric in ("coverage", "ndcg"))
        axes.errorbar(
            across["value"],
            up["value"],
            xerr=_bars([across]),
            yerr=_bars([up]),
            fmt="o",
            capsize=2,
            **_style(name),
        )
        axes.annotate(
            name, (across["value"], up["value"]), xytext=(6, 6), textcoords="offset points", fontsize=9
        )
    axes.set(
        xlabel=f"coverage@{k}, share of the catalogue in the lists",
        ylabel=f"ndcg@{k}",
        title="Accuracy against coverage, all users, 95 % intervals",
    )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    _save(figure, path)


def draw_activity(found: MetricsByModel, k: int, path: Path) -> None:
    """Accuracy by what was known of the users before the test; a group without users is left out."""
    figure, axes = _figure(10, 5)
    users = next(iter(found.values()))["users"]
    parts = [part for part in ACTIVITY if users.get(part)]
    width = 0.85 / len(found)
    for place, (name, content) in enumerate(found.items()):
        rows = [content["slices"][part][f"ndcg@{k}"] for part in parts]
        at = [group + (place - (len(found) - 1) / 2) * width for group in range(len(parts))]
        axes.bar(at, [row["value"] for row in rows], width, yerr=_bars(rows), capsize=2, **_style(name))
    axes.set_xticks(range(len(parts)), [f"{ACTIVITY[part]}\n({users[part]:,} users)" for part in parts])
    axes.set(ylabel=f"ndcg@{k}", title="Accuracy by users' activity, 95 % intervals")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    _save(figure, path)


def draw_curve(name: str, curve: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw a training curve: each measured value by iteration."""
    figure, axes = _figure(7, 4)
    for key in sorted(curve[0].keys() - {"iteration"}):
        axes.plot([point["iteration"] for point in curve], [point[key] for point in curve], "o-", label=key)
    axes.set(xlabel="iteration", ylabel="value after the iteration", title=f"Training of {name}")
    axes.set_xticks([int(point["iteration"]) for point in curve])
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_search(name: str, scores: Sequence[float], shipped: float, path: Path) -> None:
    """The history of a search: each trial's score, the best so far, and what was shipped."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(7, 4)
    best = [max(scores[: number + 1]) for number in range(len(scores))]
    axes.plot(range(len(scores)), scores, "o", alpha=0.5, label="trial")
    axes.step(range(len(scores)), best, where="post", label="best so far")
    axes.axhline(shipped, color="gray", linestyle=":", label="as shipped")
    axes.set(xlabel="trial", ylabel="NDCG, mean of the windows", title=f"Search of {name}'s hyperparameters")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def _ranked(found: MetricsByModel, metric: str) -> dict[str, Any]:
    """Worst first: matplotlib counts upwards."""
    return dict(sorted(found.items(), key=lambda pair: float(pair[1]["slices"]["all"][metric]["value"])))


def _bars(rows: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Lengths of the error bars below and above."""
    return [
        [max(row["value"] - row["low"], 0.0) for row in rows],
        [max(row["high"] - row["value"], 0.0) for row in rows],
    ]


def color(name: str) -> str:
    """Colour of a model or the blend, the same in all plots and in MLflow's charts."""
    return BLEND_COLOR if name == BLEND else PALETTE[list(REGISTRY).index(name) % len(PALETTE)]


def _style(name: str) -> dict[str, Any]:
    return {"color": color(name), "label": name}


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: "Figure", path: Path) -> None:
    """As PNG without the version of the library in it: the same figures give the same file."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
