"""The plots of an evaluation: what is drawn, and that the same figures give the same file."""

from pathlib import Path
from typing import Any

import pytest

from training.evaluation.plots import draw_activity, draw_curve, draw_plots, draw_ranking


def measured(value: float, cold: int) -> dict[str, Any]:
    """Content of a metrics.json: 20 users, `cold` of them without a history."""
    names = [f"{name}@{k}" for name in ("ndcg", "recall", "coverage") for k in (10, 20)]
    table = {name: {"value": value, "low": value / 2, "high": value * 2} for name in names}
    parts = {"all": 20, "warm_users": 20 - cold, "cold_users": cold, "few_interactions_users": 0}
    curve = [{"k": k, "value": value, "low": value / 2, "high": value * 2} for k in range(1, 21)]
    slices = {part: table if users else {} for part, users in parts.items()}
    return {"users": parts, "slices": slices, "by_k": {"ndcg": curve, "recall": curve}}


@pytest.mark.slow
@pytest.mark.parametrize("cold", [0, 5])
def test_every_plot_is_drawn_whoever_was_tested(tmp_path: Path, cold: int) -> None:
    found = {"als": measured(0.2, cold), "ease": measured(0.3, cold)}
    draw_plots(found, (10, 20), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ranking.png",
        "metric_by_k.png",
        "accuracy_against_coverage.png",
        "accuracy_by_activity.png",
    }


def test_the_same_figures_give_the_same_file_and_others_another(tmp_path: Path) -> None:
    found = {"als": measured(0.2, 5)}
    for name in ("one.png", "two.png"):
        draw_ranking(found, "ndcg@10", tmp_path / name)
    draw_ranking({"als": measured(0.25, 5)}, "ndcg@10", tmp_path / "three.png")
    one, two, three = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_an_interval_that_leaves_its_value_out_is_drawn_all_the_same(tmp_path: Path) -> None:
    odd = measured(0.2, 5)
    odd["slices"]["warm_users"] = {"ndcg@10": {"value": 0.2, "low": 0.21, "high": 0.3}}
    draw_activity({"als": odd}, 10, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_a_curve_has_every_value_by_iteration(tmp_path: Path) -> None:
    draw_curve("als", [{"iteration": n, "loss": 1 / n, "gain": n} for n in (1, 2, 3)], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
