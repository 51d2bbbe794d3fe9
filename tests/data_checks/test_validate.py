"""Suites against small snapshots: good data passes, each kind of bad data is named."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.errors import DataCheckError
from data_checks.frames import Limits, read_frames
from data_checks.parts import can_be_judged_in_parts
from data_checks.validate import read_suites, validate
from database.export import EMBEDDINGS

pytestmark = pytest.mark.slow

LIMITS = Limits(unknown=0.2, deleted=0.5, min_rows=100)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
ODD_VECTORS = ([0.6, 0.8], [0.8, 0.6], [3.0, 4.0], [float("nan"), 1.0], [0.6, 0.8, 0.0], [0.0, 0.0])


def write_snapshot(
    folder: Path,
    items: list[dict[str, Any]],
    interactions: list[dict[str, Any]],
    users: list[dict[str, Any]] | None = None,
    vectors: dict[str, list[float]] | None = None,
) -> None:
    """Write the tables that suites check, and the snapshot's time."""
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
    user_schema = pa.schema({"user_id": pa.string(), "created_at": pa.timestamp("us", tz="UTC")})
    if users is None:
        users = [{"user_id": "u1", "created_at": NOW}]
    pq.write_table(pa.Table.from_pylist(users, user_schema), folder / "users.parquet")
    rows = [
        {"item_id": item, "model": "m", "text_hash": "h", "vector": np.array(vector, dtype="<f4").tobytes()}
        for item, vector in (vectors or {}).items()
    ]
    pq.write_table(pa.Table.from_pylist(rows, EMBEDDINGS), folder / "embeddings.parquet")
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
        ("catalogue", "id_repeated"),
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
    rows = {(f.suite, f.column): f.rows for f in failure.value.report.failures}
    assert rows["interactions", "event_type"] == ("101",)
    assert rows["interactions", "item_known"] == ("100",)
    assert "in 100" in str(failure.value)
    pages = (tmp_path / "validation" / "docs" / "validations" / "interactions").rglob("*.html")
    assert any("interaction_id" in page.read_text() for page in pages), "the rows are in the Data Docs, too"
    assert not json.loads((tmp_path / "validation" / "result.json").read_text())["passed"]


def test_bad_users_and_vectors_are_named_by_id(tmp_path: Path) -> None:
    users = [{"user_id": name, "created_at": NOW} for name in ("u1", "u2", "u2", "")]
    vectors = {f"ITEM{n}": [0.6, 0.8] for n in range(20)}
    vectors |= {"NAN": [float("nan"), 1.0], "LONG": [3.0, 4.0], "ZERO": [0.0, 0.0], "WIDE": [0.6, 0.8, 0.0]}
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions(), users, vectors)

    with pytest.raises(DataCheckError) as failure:
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)

    rows = {(f.suite, f.column): set(f.rows) for f in failure.value.report.failures}
    assert rows == {
        ("users", "id_repeated"): {"u2"},
        ("users", "user_id"): {""},
        ("embeddings", "finite"): {"NAN"},
        ("embeddings", "dimension_difference"): {"WIDE"},
        ("embeddings", "relative_norm"): {"LONG", "ZERO", "NAN"},
    }


def test_a_few_vectors_of_another_length_stop_nothing(tmp_path: Path) -> None:
    vectors = {f"ITEM{n}": [0.6, 0.8] for n in range(199)} | {"LONG": [3.0, 4.0]}
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions(), vectors=vectors)
    assert not validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS).failures


@pytest.mark.parametrize(
    ("newest", "ages", "warned"),
    [
        (0, [day for day in range(40) for _ in range(10)], set()),
        (30, [0] + [day for day in range(1, 40) for _ in range(20)], {"newest_day_share", "silent_days"}),
    ],
)
def test_a_quiet_day_and_silence_are_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, newest: int, ages: list[int], warned: set[str]
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "interaction_id": number,
            "item_id": "ITEM0",
            "event_type": "click",
            "value": None,
            "occurred_at": NOW - timedelta(days=newest + age),
        }
        for number, age in enumerate(ages)
    ]
    write_snapshot(tmp_path / "snapshot", good_items(), rows)
    with caplog.at_level(logging.WARNING):
        report = validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)
    assert {finding.column for finding in report.warnings} == warned
    assert all(f"volume.{column}" in caplog.text for column in warned)


@pytest.mark.parametrize("ages", [[0, 1, 1, 1], [0, 3000], [0], [day for day in range(40) if day % 7]])
def test_a_new_shop_and_one_that_closes_have_no_quiet_day(tmp_path: Path, ages: list[int]) -> None:
    rows: list[dict[str, Any]] = [
        {"interaction_id": age, "event_type": "click", "occurred_at": NOW - timedelta(days=age)}
        for age in ages
    ]
    write_snapshot(tmp_path, good_items(), rows)
    (volume,) = read_frames(tmp_path, {"as_of": NOW.isoformat()}, LIMITS, read_suites())["volume"]
    assert volume["newest_day_share"][0] >= LIMITS.day_share


def documented(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the Data Docs are made of, by suite: verdict, counts and samples of each expectation."""
    runs = folder / "great_expectations" / "gx" / "uncommitted" / "validations"
    found = {}
    for file in runs.rglob("*.json"):
        content = json.loads(file.read_text())
        found[content["suite_name"]] = [
            {"success": entry["success"], "type": entry["expectation_config"]["type"]} | entry["result"]
            for entry in content["results"]
        ]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_tables_that_are_read_in_parts_give_the_report_of_the_whole_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    generator = np.random.default_rng(seed)

    def drawn(*choices: Any) -> Any:
        return choices[int(generator.integers(len(choices)))]

    rows = [
        {
            "interaction_id": int(generator.integers(200)),
            "item_id": drawn("ITEM0", "ITEM1", "ITEM2", "GHOST", None),
            "event_type": drawn("purchase", "rating", "feedback", "click", "teleport", "search_query"),
            "value": drawn(-3.0, 0.0, 1.0, 4.0, 9.0, None),
            "occurred_at": drawn(NOW, NOW - timedelta(days=3), NOW + timedelta(days=40), None),
        }
        for _ in range(50)
    ]
    items = [
        {
            "item_id": drawn("ITEM0", "", None, f"ITEM{number}"),
            "kind": drawn("product", "gadget", None),
            "title": drawn("", "A title", None),
            "price": drawn(1.0, -1.0, None),
            "rating": drawn(1.0, 7.0, None),
        }
        for number in range(50)
    ]
    users = [
        {"user_id": drawn("u1", "", None, f"u{number}"), "created_at": drawn(NOW, None)}
        for number in range(50)
    ]
    vectors = [
        {
            "item_id": drawn("ITEM0", None, f"ITEM{number}"),
            "model": drawn("one", "two", None),
            "text_hash": "h",
            "vector": drawn(*(np.array(each, "<f4").tobytes() for each in ODD_VECTORS), b"", None),
        }
        for number in range(50)
    ]
    write_snapshot(tmp_path / "snapshot", items, rows, users)
    pq.write_table(pa.Table.from_pylist(vectors, EMBEDDINGS), tmp_path / "snapshot" / "embeddings.parquet")
    reports = []
    for part in (1000, 7):
        for name in ("PART", "TEXTS_PART"):
            monkeypatch.setattr(f"data_checks.frames.{name}", part)
        with pytest.raises(DataCheckError) as failure:
            validate(tmp_path / "snapshot", tmp_path / str(part), LIMITS)
        reports.append(failure.value.report)
    whole, parts = reports
    assert parts.as_dict() == whole.as_dict()
    assert documented(tmp_path / "7") == documented(tmp_path / "1000")
    failed = {(finding.suite, finding.column) for finding in whole.failures}
    assert {(suite, "id_repeated") for suite in ("catalogue", "users", "interactions", "embeddings")} < failed


def test_no_suite_has_to_see_a_whole_table() -> None:
    """A suite that has costs the memory of its table: 2 million users, 300 thousand items."""
    assert all(can_be_judged_in_parts(suite["expectations"]) for suite in read_suites())


def test_most_rows_of_all_parts_together_may_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suites = tmp_path / "suites"
    suites.mkdir()
    positive = {"column": "value", "min_value": 0, "mostly": {"$PARAMETER": "max_unknown_share"}}
    suite = {
        "name": "own",
        "table": "interactions",
        "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": positive}],
    }
    (suites / "own.json").write_text(json.dumps(suite))
    monkeypatch.setattr("data_checks.validate.SUITES", suites)
    monkeypatch.setattr("data_checks.frames.PART", 3)
    rows = [
        {
            "interaction_id": number,
            "event_type": "click",
            "value": -1.0 if number == 0 else 1.0,
            "occurred_at": NOW,
        }
        for number in range(10)
    ]
    write_snapshot(tmp_path / "snapshot", good_items(), rows)
    limits = Limits(unknown=0.9, deleted=0.5, min_rows=100)
    assert not validate(tmp_path / "snapshot", tmp_path / "validation", limits).failures
    limits = Limits(unknown=0.91, deleted=0.5, min_rows=100)
    with pytest.raises(DataCheckError, match="1 unexpected"):
        validate(tmp_path / "snapshot", tmp_path / "validation", limits)


def test_a_suite_with_more_than_rows_to_judge_sees_the_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suites = tmp_path / "suites"
    suites.mkdir()
    suite = {
        "name": "own",
        "table": "interactions",
        "expectations": [
            {
                "type": "expect_column_mean_to_be_between",
                "kwargs": {"column": "value", "min_value": 1.9, "max_value": 2.1},
            }
        ],
    }
    (suites / "own.json").write_text(json.dumps(suite))
    monkeypatch.setattr("data_checks.validate.SUITES", suites)
    monkeypatch.setattr("data_checks.frames.PART", 2)
    rows = [
        {"interaction_id": number, "event_type": "click", "value": float(number), "occurred_at": NOW}
        for number in range(5)
    ]
    write_snapshot(tmp_path / "snapshot", good_items(), rows)
    assert not validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS).failures


def test_empty_snapshot_is_refused(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot", [], [])

    with pytest.raises(DataCheckError, match="expect_table_row_count_to_be_between"):
        validate(tmp_path / "snapshot", tmp_path / "validation", LIMITS)


def test_history_of_docs_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_checks.validate.HISTORY", 2)
    write_snapshot(tmp_path / "snapshot", good_items(), good_interactions())

    for _ in range(3):
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
