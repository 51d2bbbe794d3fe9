"""An evaluation as Markdown: every model, and every slice of users and items by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.ranking import ITEMS
from training.markdown import interval, table

MetricsByModel = Mapping[str, Any]
"""model → the content of its metrics.json."""

METRICS = ("ndcg", "recall", "coverage")

SLICES = {
    "all": "All users",
    "warm_users": "Users with a history",
    "few_interactions_users": "Users with under 5 interactions",
    "cold_users": "Users unknown before the test",
    ITEMS: "Items with under 5 interactions, as right answers",
}
"""Slice of an evaluation → its heading."""

METRICS_OF_USERS = ("ndcg", "coverage", "gini")
METRICS_OF_ITEMS = ("ndcg", "coverage", "share")


def models_table(found: MetricsByModel, summary: Mapping[str, Any], cutoffs: Sequence[int]) -> str:
    """The models as a Markdown table, with 95 % intervals at the first cutoff."""
    metric, baseline = summary["metric"], summary["baseline"]
    columns = [f"{name}@{k}" for k in cutoffs for name in METRICS]
    users = summary["users"]
    rows = []
    for name, content in found.items():
        slices = content["slices"]
        all_users = slices.get("all", {})
        cells = [estimate(all_users.get(column)) for column in columns[: len(METRICS)]]
        cells += [
            f"{all_users[column]['value']:.4f}" if column in all_users else ""
            for column in columns[len(METRICS) :]
        ]
        against = summary["against_baseline"].get(name)
        verdict = f"{against['difference']:+.4f} ({against['verdict']})" if against else ""
        rows.append([name, *cells, estimate(slices.get("warm_users", {}).get(metric)), verdict])
    return (
        f"{users.get('all', 0)} test users, {users.get('cold_users', 0)} of them without a history. "
        "Full catalogue ranked, seen items excluded; 95 % intervals in brackets.\n\n"
        + table(["model", *columns, f"{metric}, warm users", f"warm users, difference to {baseline}"], rows)
    )


def slices_table(found: MetricsByModel, k: int) -> str:
    """A table for each slice that has users: accuracy, coverage and Gini at k with their 95 % intervals.

    Of the items with few interactions: accuracy with only them as right answers, the share of them that
    is in any list, and the share of a list that they are.
    """
    users = next(iter(found.values()))["users"]
    parts = []
    for part, heading in SLICES.items():
        if not users.get(part):
            continue
        columns = [f"{name}@{k}" for name in (METRICS_OF_ITEMS if part == ITEMS else METRICS_OF_USERS)]
        rows = [
            [name, *(estimate(content["slices"][part].get(column)) for column in columns)]
            for name, content in found.items()
        ]
        parts.append(f"{heading} ({users[part]:,} users):\n\n{table(['model', *columns], rows)}")
    return "\n".join(parts)


def estimate(found: Mapping[str, float] | None) -> str:
    """`0.1234 [0.1200, 0.1268]` of value, low and high; empty where there is no number."""
    return interval(found["value"], found["low"], found["high"]) if found else ""
