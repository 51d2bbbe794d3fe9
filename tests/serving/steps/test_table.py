"""Candidates: every row of a small catalogue, the best of each source in a large one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.steps import table
from serving.steps.table import Column, are_different, gather
from training.models.blend import normalise, scale_of

IDS = np.arange(6, dtype=np.uint64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_in_a_small_catalogue_every_row_is_a_candidate() -> None:
    allowed = np.array([True, False, True])
    made = gather(
        {"a": Column(floats(3, 1, 2)), "b": Column(floats(5), np.array([2], np.int32))},
        np.ones(3, dtype=np.bool_),
        allowed,
        IDS[:3],
        None,
    )
    assert made.rows.tolist() == [0, 1, 2] and made.allowed.tolist() == allowed.tolist()
    assert made.column("b").tolist() == [0, 0, 5]
    assert made.column("never asked").tolist() == [0, 0, 0]


def test_in_a_large_one_each_source_brings_its_best_and_is_scaled_by_the_whole() -> None:
    scores = floats(3, 9, 2, 1, 0, 0)
    allowed = np.array([True, False, True, True, True, True])
    scale = scale_of(scores, 6)
    columns = {"a": Column(scores, scale=scale), "b": Column(floats(4, 7), np.array([5, 1], np.int32))}
    made = gather(columns, np.ones(6, dtype=np.bool_), allowed, IDS, 2)
    assert made.rows.tolist() == [0, 2, 5] and made.allowed.all()
    assert made.column("a").tolist() == [3, 2, 0] and made.column("b").tolist() == [0, 0, 4]
    assert made.standardised("a") == pytest.approx(normalise(scores)[[0, 2, 5]])


@given(st.lists(st.integers(0, 9), unique=True, max_size=9), st.lists(st.integers(0, 9)))
def test_values_are_looked_up_by_the_places_of_rows_as_in_a_dense_column(
    own: list[int], asked: list[int]
) -> None:
    rows, values = np.array(own, dtype=np.int32), np.arange(1, len(own) + 1).astype(np.float32)
    places = np.full(max(own, default=0) + 1, -1, dtype=np.int32)
    places[rows] = np.arange(len(own))
    wanted = np.array(asked, dtype=np.int32)
    expected = Column(values, rows).dense(10)[wanted].tolist()
    assert Column(values, rows, places).at(wanted, 10).tolist() == expected
    assert Column(values, rows).at(wanted, 10).tolist() == expected


@pytest.mark.parametrize("each", [2, None])
def test_rows_without_an_item_change_nothing(each: int | None) -> None:
    """Another worker holds the same items and has none of its rows free."""
    scores, live = floats(3, 9, 2, 1), np.ones(4, dtype=np.bool_)
    columns = {"a": Column(scores), "b": Column(floats(4), np.array([3], np.int32))}
    made = gather(columns, live, live, IDS[:4], each)
    for dead in (1, 2):
        other = np.append(live, np.zeros(dead, dtype=np.bool_))
        columns["a"] = Column(np.append(scores, np.zeros(dead, dtype=np.float32)))
        found = gather(columns, other, other, IDS[: 4 + dead], each)
        may, candidates = np.flatnonzero(found.allowed), np.flatnonzero(made.allowed)
        assert found.identity[may].tolist() == made.identity[candidates].tolist()
        for name in columns:
            assert found.column(name)[may].tolist() == made.column(name)[candidates].tolist()


def test_a_deleted_item_that_a_bundle_still_scores_is_no_measure_of_others() -> None:
    live = np.array([True, False, True])
    scores = np.array([0.5, 9.0, 0.25], dtype=np.float32)
    identity = np.arange(3, dtype=np.uint64)
    table = gather({"nmf": Column(scores)}, live, live, identity, None)
    assert table.column("nmf").tolist() == [0.5, 0.0, 0.25]


@pytest.mark.parametrize(("least", "rows"), [(0, [3]), (1, [3]), (3, [1, 3, 5]), (9, [0, 1, 2, 3, 5])])
def test_where_sources_say_too_little_the_lowest_identities_are_candidates(
    least: int, rows: list[int]
) -> None:
    """Rows stand in another order on each worker, identities in one."""
    identity = np.array([50, 20, 40, 10, 5, 30], dtype=np.uint64)
    allowed = np.array([True, True, True, True, False, True])
    columns = {"a": Column(floats(0, 0, 0, 7, 9, 0))}
    made = gather(columns, np.ones(6, dtype=np.bool_), allowed, identity, 1, least=least)
    assert made.rows.tolist() == rows and made.allowed.all()


@st.composite
def kept_orders(draw: st.DrawFn) -> tuple[Column, np.ndarray, np.ndarray, np.ndarray | None, int]:
    """A source's column, what may be in a list, identities, variants or none, and the length of a front."""
    count = draw(st.integers(1, 40))
    values = draw(st.lists(st.sampled_from([0, 0, 1, 2, 3]), min_size=count, max_size=count))
    allowed = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    identity = draw(st.permutations(range(count)))
    groups = draw(st.none() | st.lists(st.integers(0, 5), min_size=count, max_size=count))
    return (
        Column(floats(*values)),
        np.array(allowed),
        np.array(identity, dtype=np.uint64),
        None if groups is None else np.array(groups, dtype=np.uint64),
        draw(st.integers(0, count)),
    )


@given(kept_orders(), st.integers(1, 12), st.integers(0, 12))
def test_the_front_of_a_kept_order_has_the_best_that_a_look_at_all_finds(
    made: tuple[Column, np.ndarray, np.ndarray, np.ndarray | None, int], count: int, least: int
) -> None:
    column, allowed, identity, variants, length = made
    front = column.best(length, np.ones_like(allowed), identity)
    kept = replace(column, front=front)
    asked = (count, allowed, identity, variants, 4)
    assert kept.best(*asked).tolist() == column.best(*asked).tolist()
    reserve = np.argsort(identity)[:length].astype(np.int32)
    live = np.ones_like(allowed)
    plain, quick = (
        gather({"a": column}, live, allowed, identity, 2, least=least, reserve=each)
        for each in (np.zeros(0, dtype=np.int32), reserve)
    )
    assert quick.rows.tolist() == plain.rows.tolist()


@given(kept_orders(), st.integers(1, 12), st.sampled_from([1, 2, 100]))
def test_where_the_front_has_too_few_a_score_of_the_allowed_rows_finds_what_one_of_all_does(
    made: tuple[Column, np.ndarray, np.ndarray, np.ndarray | None, int], count: int, few: int
) -> None:
    column, allowed, identity, variants, length = made
    front, asked = column.best(length, np.ones_like(allowed), identity), []

    def exact(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        found: np.ndarray = column.values[rows]
        return found

    kept = Column(floats(), IDS[:0].astype(np.int32), exact=exact, front=front, whole=lambda: column.values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_FEW", few)
        found = kept.best(count, allowed, identity, variants, 4)
    assert found.tolist() == column.best(count, allowed, identity, variants, 4).tolist()
    assert all(each == np.count_nonzero(allowed) and few * each < len(allowed) for each in asked)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(0, 6), st.data())
def test_rows_are_different_where_so_many_are_no_variants(
    groups: list[int], count: int, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(groups) - 1), unique=True))
    asked, variants = np.array(rows, dtype=np.int32), np.array(groups, dtype=np.uint64)
    assert are_different(asked, variants, count) == (len({groups[row] for row in rows}) >= count)
    assert are_different(asked, None, count), "every variant counts"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.0, 0.5, 0.9]), st.booleans()), max_size=20),
    st.integers(1, 5),
    st.integers(0, 20),
)
def test_a_list_of_everything_has_as_many_different_items_as_a_look_at_all_finds(
    items: list[tuple[int, float, bool]], count: int, kept: int
) -> None:
    """Though the best by its source, and the first by identity, may all be variants of one another."""
    groups = np.array([group for group, _, _ in items], dtype=np.uint64)
    values = np.array([value for _, value, _ in items], dtype=np.float32)
    allowed = np.array([may for _, _, may in items], dtype=np.bool_)
    identity = np.random.default_rng(len(items)).permutation(len(items)).astype(np.uint64)
    live = np.ones(len(items), dtype=np.bool_)
    reserve = np.argsort(identity)[:kept].astype(np.int32)
    made = gather(
        {"popularity": Column(values)},
        live,
        allowed,
        identity,
        count,
        least=count,
        variants=groups,
        different=count,
        reserve=reserve,
    )

    def shown(rows: np.ndarray) -> list[int]:
        order = rows[np.lexsort((identity[rows], -values[rows]))]
        first = {int(groups[row]): int(row) for row in order[::-1]}
        return [row for row in order.tolist() if first[int(groups[row])] == row][:count]

    assert shown(made.rows) == shown(np.flatnonzero(allowed))
