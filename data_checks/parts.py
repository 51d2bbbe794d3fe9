"""One result of Great Expectations out of those of a table's parts, as if the table had been judged whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

SAMPLE = 20
"""Offending rows named for each expectation."""
ROW_COUNT = "expect_table_row_count_to_be_between"
ROW_WISE = frozenset(
    {
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_be_between",
        "expect_column_value_lengths_to_be_between",
        "expect_column_values_to_match_regex",
    }
)
"""Expectations that judge each row by itself, so that parts can be judged one after another."""


def can_be_judged_in_parts(expectations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no expectation of a suite needs to see all rows at once."""
    return all(each["type"] in ROW_WISE or each["type"] == ROW_COUNT for each in expectations)


def merge(results: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
    """The result of a suite on the whole table.

    Args:
        results: Great Expectations' result of the suite on each part, in the order of the rows.
        parameters: values of the suite's `$PARAMETER`s.
    """
    merged, *others = results
    if not others:
        return merged
    by_id = [{entry.expectation_config.id: entry for entry in result.results} for result in results]
    for entry in merged.results:
        _merge_into(entry, [part[entry.expectation_config.id] for part in by_id], parameters)
    met = sum(bool(entry.success) for entry in merged.results)
    judged = len(merged.results)
    merged.success = met == judged
    merged.statistics = {
        "evaluated_expectations": judged,
        "successful_expectations": met,
        "unsuccessful_expectations": judged - met,
        "success_percent": 100.0 * met / judged if judged else None,
    }
    return merged


def _merge_into(entry: Any, parts: Sequence[Any], parameters: Mapping[str, Any]) -> None:
    """Make `entry`, the first of `parts`, that of all of them."""
    raised = next((part for part in parts if (part.exception_info or {}).get("raised_exception")), None)
    kwargs = entry.expectation_config.kwargs
    if raised is not None:
        entry.success, entry.result, entry.exception_info = False, raised.result, raised.exception_info
    elif entry.expectation_config.type == ROW_COUNT:
        rows = sum(part.result["observed_value"] for part in parts)
        entry.result = {"observed_value": rows}
        lowest, highest = kwargs.get("min_value"), kwargs.get("max_value")
        entry.success = (lowest is None or rows >= lowest) and (highest is None or rows <= highest)
    else:
        entry.result = _row_wise([part.result for part in parts])
        mostly = kwargs.get("mostly", 1.0)
        if isinstance(mostly, Mapping):
            mostly = parameters[mostly["$PARAMETER"]]
        judged = entry.result["element_count"] - entry.result.get("missing_count", 0)
        # As a ratio, as Great Expectations does: 1 of 10 is within mostly .9, and 1 > (1 - .9) * 10.
        entry.success = not judged or (judged - entry.result["unexpected_count"]) / judged >= mostly


def _row_wise(details: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts are added up, samples are the first rows; percentages as Great Expectations has them."""
    rows = sum(detail["element_count"] for detail in details)
    unexpected = sum(detail["unexpected_count"] for detail in details)
    merged: dict[str, Any] = dict(details[0]) | {"element_count": rows, "unexpected_count": unexpected}
    judged = rows
    if "missing_count" in merged:
        missing = sum(detail["missing_count"] for detail in details)
        judged -= missing
        merged |= {
            "missing_count": missing,
            "missing_percent": _percent(missing, rows),
            "unexpected_percent_total": _percent(unexpected, rows),
            "unexpected_percent_nonmissing": _percent(unexpected, judged),
        }
    merged["unexpected_percent"] = _percent(unexpected, judged)
    for name in ("partial_unexpected_list", "partial_unexpected_index_list"):
        if any(name in detail for detail in details):
            merged[name] = [row for detail in details for row in detail.get(name) or []][:SAMPLE]
    counted = Counter(merged["partial_unexpected_list"]).most_common(SAMPLE)
    merged["partial_unexpected_counts"] = [
        {"value": value, "count": count}
        for value, count in sorted(counted, key=lambda pair: (-pair[1], str(pair[0])))
    ]
    return merged


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None
