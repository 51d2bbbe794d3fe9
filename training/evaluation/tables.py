"""An evaluation as Markdown: every model, and every slice of users and items by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.ranking import ITEMS

Found = Mapping[str, Any]
"""model → the content of its metrics.json."""

COLUMNS = ("ndcg", "recall", "coverage")

SLICES = {
    "all": "All users",
    "warm_users": "Users with a history",
    "few_interactions_users": "Users with under 5 interactions",
    "cold_users": "Users unknown before the test",
    ITEMS: "Items with under 5 interactions, as right answers",
}
"""Slice of an evaluation → its heading."""

OF_USERS = ("ndcg", "coverage", "gini")
OF_ITEMS = ("ndcg", "coverage", "share")


def models_table(found: Found, summary: Mapping[str, Any], cutoffs: Sequence[int]) -> str:
    """The models as a Markdown table, with 95 % intervals at the first cutoff."""
    metric, baseline = summary["metric"], summary["baseline"]
    columns = [f"{name}@{k}" for k in cutoffs for name in COLUMNS]
    told = len(COLUMNS)
    users = summary["users"]
    lines = [
        f"{users.get('all', 0)} test users, {users.get('cold_users', 0)} of them unknown to every model. "
        f"Full catalogue ranked, seen items excluded; 95 % intervals in brackets.",
        "",
        f"| model | {' | '.join(columns)} | {metric}, warm users | there against {baseline} |",
        f"|---|{'---|' * (len(columns) + 2)}",
    ]
    for name, content in found.items():
        table = content["slices"].get("all", {})
        warm = content["slices"].get("warm_users", {}).get(metric)
        cells = [interval(table.get(column)) for column in columns[:told]]
        cells += [f"{table[column]['value']:.4f}" if column in table else "" for column in columns[told:]]
        against = summary["against_baseline"].get(name)
        verdict = f"{against['difference']:+.4f} ({against['verdict']})" if against else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {interval(warm)} | {verdict} |")
    return "\n".join(lines) + "\n"


def slices_table(found: Found, k: int) -> str:
    """A table for each slice that has users: accuracy, coverage and Gini at k with their 95 % intervals.

    Of the items with few interactions: accuracy with only them as right answers, the share of them that
    stands in anybody's list, and the share of a list that they are.
    """
    users = next(iter(found.values()))["users"]
    parts = []
    for part, heading in SLICES.items():
        if not users.get(part):
            continue
        columns = [f"{name}@{k}" for name in (OF_ITEMS if part == ITEMS else OF_USERS)]
        lines = [f"| model | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
        for name, content in found.items():
            table = content["slices"][part]
            lines.append(f"| {name} | {' | '.join(interval(table.get(column)) for column in columns)} |")
        parts.append(f"{heading} ({users[part]:,} users):\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def interval(found: Mapping[str, float] | None) -> str:
    """`0.1234 [0.1200, 0.1268]`; empty where there is no number."""
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]" if found else ""
