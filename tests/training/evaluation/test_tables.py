"""The tables of an evaluation: what stands in them, and what is left empty."""

from typing import Any

from training.evaluation.tables import models_table, slices_table


def measured(value: float, **slices: list[str]) -> dict[str, Any]:
    """Content of a metrics.json: 20 users, 5 of them cold; in each slice the named metrics at 10."""
    row = {"value": value, "low": value / 2, "high": value * 2}
    users = {
        "all": 20,
        "warm_users": 15,
        "cold_users": 5,
        "few_interactions_users": 0,
        "few_interactions_items": 3,
    }
    tables = {part: {f"{name}@10": row for name in slices.get(part, ())} for part in users}
    return {"users": users, "slices": tables, "headline": {}}


EVERY = ["ndcg", "recall", "coverage", "gini"]


def test_the_table_has_intervals_and_says_who_is_better_than_the_baseline() -> None:
    found = {name: measured(0.2, all=EVERY, warm_users=EVERY) for name in ("ease", "popularity")}
    summary = {
        "metric": "ndcg@10",
        "baseline": "popularity",
        "users": found["ease"]["users"],
        "against_baseline": {"ease": {"difference": 0.01, "verdict": "better"}},
    }
    lines = models_table(found, summary, (10, 20)).splitlines()
    assert lines[0].startswith("20 test users, 5 of them without a history")
    assert lines[2].startswith("| model | ndcg@10 | recall@10 | coverage@10 | ndcg@20 |")
    assert lines[4].startswith("| ease | 0.2000 [0.1000, 0.4000] |")
    assert lines[4].endswith("| +0.0100 (better) |")
    assert lines[5].endswith("|  |")
    assert {line.count("|") for line in lines[2:]} == {10}


def test_each_slice_with_users_has_a_table_and_no_number_is_an_empty_cell() -> None:
    items = ["ndcg", "coverage", "share"]
    found = {
        "als": measured(
            0.2, all=EVERY, warm_users=EVERY, cold_users=["ndcg", "coverage"], few_interactions_items=items
        )
    }
    parts = slices_table(found, 10).split("\n\n")
    headings = [part for part in parts if part.endswith(":")]
    assert headings == [
        "All users (20 users):",
        "Users with a history (15 users):",
        "Users unknown before the test (5 users):",
        "Items with under 5 interactions, as right answers (3 users):",
    ]
    cell = "0.2000 [0.1000, 0.4000]"
    assert f"| als | {cell} | {cell} |  |" in parts[5], "without a list there is no Gini"
    assert "| model | ndcg@10 | coverage@10 | share@10 |" in parts[7]


def test_nobody_to_test_is_a_table_of_names() -> None:
    nobody = {"users": {"all": 0}, "slices": {}, "headline": {}}
    summary = {"metric": "ndcg@10", "baseline": "popularity", "users": {"all": 0}, "against_baseline": {}}
    assert "| als |  |  |  |" in models_table({"als": nobody}, summary, (10,))
    assert slices_table({"als": nobody}, 10) == ""
