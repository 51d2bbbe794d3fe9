"""What a snapshot lost since the last one, in words."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from training.release.volume import Volume, losses, read_volume

BEFORE = Volume(items=900, users=400, interactions=10_000, events={"purchase": 2_000, "click": 8_000})


def lost(now: Volume, before: Volume = BEFORE) -> list[str]:
    return losses(now, before, 0.5, 0.8)


def test_a_nearly_wiped_database_is_named_table_by_table() -> None:
    now = Volume(items=900, users=12, interactions=300, events={"purchase": 60, "click": 240})
    assert lost(now) == [
        "12 users instead of 400",
        "300 interactions instead of 10,000",
        "60 purchase events instead of 2,000",
        "240 click events instead of 8,000",
    ]


def test_a_type_that_vanished_or_drowned_is_named() -> None:
    gone = Volume(900, 400, 8_000, {"click": 8_000})
    assert lost(gone) == ["0 purchase events instead of 2,000"]
    drowned = Volume(900, 400, 202_000, {"purchase": 2_000, "click": 200_000})
    assert lost(drowned) == ["1.0% purchase events instead of 20.0%"]


def test_a_new_type_may_be_as_frequent_as_it_likes() -> None:
    assert lost(Volume(900, 400, 110_000, {**BEFORE.events, "view_time": 100_000})) == []


counts = st.integers(0, 10_000)


@given(counts, counts, st.dictionaries(st.sampled_from(["purchase", "click", "like"]), counts))
def test_the_same_snapshot_lost_nothing(items: int, users: int, events: dict[str, int]) -> None:
    volume = Volume(items, users, sum(events.values()), events)
    assert lost(volume, volume) == []


def test_all_that_may_go_can_go_and_one_row_more_is_named() -> None:
    assert lost(Volume(450, 200, 5_000, {"purchase": 1_000, "click": 4_000})) == []
    found = lost(Volume(449, 199, 4_999, {"purchase": 999, "click": 4_000}))
    assert [each.split(" instead")[0] for each in found] == [
        "449 items",
        "199 users",
        "4,999 interactions",
        "999 purchase events",
    ]


def test_a_type_of_one_event_in_a_hundred_is_judged_and_a_rarer_one_is_not() -> None:
    for likes, named in ((100, ["0 like events instead of 100"]), (99, [])):
        before = Volume(900, 400, 10_000, {"click": 10_000 - likes, "like": likes})
        assert lost(Volume(900, 400, 10_000, {"click": 10_000}), before) == named


def test_a_snapshots_volume_is_its_rows_and_the_events_of_each_type(tmp_path: Path) -> None:
    types = ["click", "purchase", "click", "like", "click", "purchase"]
    tables = {"items": {"item_id": ["a", "b", "c"]}, "users": {"user_id": ["u"]}, "interactions": {}}
    for name, columns in tables.items():
        pq.write_table(pa.table(columns or {"event_type": types}), tmp_path / f"{name}.parquet")
    found = read_volume(tmp_path)
    assert (found.items, found.users, found.interactions) == (3, 1, 6)
    assert list(found.events.items()) == [("click", 3), ("like", 1), ("purchase", 2)]
