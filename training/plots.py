"""Plots of an evaluation, for people: written as PNG beside the table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SLICES = ("cold_users", "few_interactions_users", "warm_users")


def draw_plots(found: Mapping[str, Any], cutoffs: Sequence[int], folder: Path) -> None:
    """Draw metric by k, accuracy against coverage, and accuracy by users' activity.

    Args:
        found: model → the content of its metrics.json.
        cutoffs: lengths that were measured.
        folder: where the PNG files go.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("ndcg", "recall"), strict=True):
        for name, content in found.items():
            axes.plot(
                cutoffs, [content["headline"][f"{metric}@{k}"] for k in cutoffs], marker="o", label=name
            )
        axes.set(xlabel="k", ylabel=f"{metric}@k", xticks=list(cutoffs))
        axes.legend(fontsize=7)
    figure.savefig(folder / "metric_by_k.png", metadata={"Software": None})

    k = cutoffs[0]
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    for name, content in found.items():
        x, y = content["headline"][f"coverage@{k}"], content["headline"][f"ndcg@{k}"]
        axes.scatter(x, y)
        axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel=f"coverage@{k}", ylabel=f"ndcg@{k}", title="Accuracy against coverage")
    figure.savefig(folder / "accuracy_against_coverage.png", metadata={"Software": None})

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(found)
    for position, (name, content) in enumerate(found.items()):
        heights = [content["headline"].get(f"ndcg@{k} {part}", 0.0) for part in SLICES]
        axes.bar([place + position * width for place in range(len(SLICES))], heights, width, label=name)
    axes.set(ylabel=f"ndcg@{k}", title="Accuracy by users' activity")
    axes.set_xticks(
        [place + 0.4 for place in range(len(SLICES))], [part.replace("_", " ") for part in SLICES]
    )
    axes.legend(fontsize=7)
    figure.savefig(folder / "accuracy_by_activity.png", metadata={"Software": None})


def draw_curve(name: str, curve: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw a training curve: each measured value by iteration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for key in sorted(curve[0].keys() - {"iteration"}):
        axes.plot([point["iteration"] for point in curve], [point[key] for point in curve], label=key)
    axes.set(xlabel="iteration", title=f"Training of {name}")
    axes.legend()
    figure.savefig(path, metadata={"Software": None})
