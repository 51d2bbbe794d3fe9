"""Suites against small snapshots: good data passes, each kind of bad data is named."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.report import DataCheckError
from data_checks.validate import LeftOutLimits, validate

LIMITS = LeftOutLimits(unknown=0.2, deleted=0.5, min_rows=100)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def write_snapshot(folder: Path, items: list[dict[str, Any]], interactions: list[dict[str, Any]]) -> None:
    """Write the two tables that suites check, and the snapshot's time."""
    real = pa.float64()
    item_schema = pa.schema(
        {
            "item_id": pa.string(),
            "kind": pa.string(),
            "title": pa.string(),
            "rating": real,
            "rating_count": pa.int32(),
            "price": real,
            "original_price": real,
            "discount_ratio": real,
        }
    )
    event_schema = pa.schema(
        {
            "interaction_id": pa.int64(),
            "item_id": pa.string(),
            "event_type": pa.string(),
            "value": real,
            "occurred_at": pa.timestamp("us", tz="UTC"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(items, item_schema), folder / "items.parquet")
    pq.write_table(pa.Table.from_pylist(interactions, event_schema), folder / "interactions.parquet")
    (folder / "snapshot.json").write_text(json.dumps({"as_of": NOW.isoformat()}))


def good_items() -> list[dict[str, Any]]:
    return [{"item_id": f"ITEM{n}", "kind": "product", "title": f"Item {n}", "price": 2.5} for n in range(3)]


def good_interactions() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "item_id": f"ITEM{n % 3}",
            "event_type": "purchase",
            "value": 2.0,
            "occurred_at": NOW - timedelta(days=n),
        }
        for n in range(6)
    ]
    rows.append({"item_id": None, "event_type": "search_query", "value": None, "occurred_at": NOW})
    return [{"interaction_id": n, **row} for n, row in enumerate(rows)]


def test_good_snapshot_passes_and_leaves_docs(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions())

    report = validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)

    assert report.failures == ()
    assert report.rows == {"items": 3, "interactions": 7}
    assert (tmp_path / "validation" / "docs" / "index.html").is_file()
    first = (tmp_path / "validation" / "result.json").read_bytes()
    validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)
    assert (tmp_path / "validation" / "result.json").read_bytes() == first


def test_every_kind_of_bad_row_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = [*good_items(), {"item_id": "ITEM1", "kind": "gadget", "title": "", "rating": 7.0, "price": -1.0}]
    at = NOW - timedelta(days=1)
    bad: list[dict[str, object]] = [
        {"item_id": "GHOST", "event_type": "purchase", "value": 1.0, "occurred_at": at},
        {"item_id": "ITEM0", "event_type": "teleport", "value": None, "occurred_at": at},
        {"item_id": "ITEM0", "event_type": "purchase", "value": 1.0, "occurred_at": NOW + timedelta(days=40)},
        {"item_id": None, "event_type": "like", "value": None, "occurred_at": at},
        {"item_id": "ITEM0", "event_type": "rating", "value": 9.0, "occurred_at": at},
        {"item_id": "ITEM0", "event_type": "feedback", "value": 4.0, "occurred_at": at},
    ]
    interactions = [*good_interactions(), *({"interaction_id": 100 + n, **row} for n, row in enumerate(bad))]
    write_snapshot(tmp_path / "snapshot", items, interactions)

    with caplog.at_level(logging.ERROR), pytest.raises(DataCheckError) as failure:
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)

    named = {(f.suite, f.expectation, f.column) for f in failure.value.report.failures}
    assert {(suite, column) for suite, _, column in named} == {
        ("catalogue", "item_id"),
        ("catalogue", "kind"),
        ("catalogue", "title"),
        ("catalogue", "rating"),
        ("catalogue", "price"),
        ("interactions", "item_known"),
        ("interactions", "event_type"),
        ("interactions", "occurred_at"),
        ("interactions", "item_id"),
        ("interactions", "value"),
    }
    assert "expect_column_values_to_be_in_set failed on catalogue.kind" in str(failure.value)
    assert "gadget" in caplog.text
    assert not json.loads((tmp_path / "validation" / "result.json").read_text())["passed"]


def test_empty_snapshot_is_refused(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot", [], [])

    with pytest.raises(DataCheckError, match="expect_table_row_count_to_be_between"):
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)


def test_history_of_docs_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_checks.validate.HISTORY", 2)
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions())

    for _ in range(4):
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)

    runs = tmp_path / "validation" / "great_expectations" / "gx" / "uncommitted" / "validations" / "catalogue"
    assert len(list(runs.rglob("*.json"))) == 2


def left_out(rows: int, share: float) -> dict[str, Any]:
    return {"rows": 2 * rows, "recent_rows": rows, "recent_share": share, "examples": ["GHOST7"]}


@pytest.mark.parametrize(
    ("unknown", "deleted", "column"),
    [
        (left_out(1, 0.5), left_out(99, 1.0), None),
        (left_out(5000, 0.19), left_out(5000, 0.49), None),
        (left_out(100, 0.21), left_out(0, 0.0), "unknown"),
        (left_out(0, 0.0), left_out(100, 0.6), "deleted"),
    ],
)
def test_only_large_shares_of_left_out_rows_stop_the_night_and_say_what_to_do(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    unknown: dict[str, Any],
    deleted: dict[str, Any],
    column: str | None,
) -> None:
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions())
    description = {"as_of": NOW.isoformat(), "left_out": {"unknown": unknown, "deleted": deleted}}
    (tmp_path / "snapshot" / "snapshot.json").write_text(json.dumps(description))

    if column is None:
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)
    else:
        with pytest.raises(DataCheckError, match=f"left_out.{column}.*train again") as failure:
            validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)
        assert len(failure.value.report.failures) == 1
    assert "GHOST7" in caplog.text
