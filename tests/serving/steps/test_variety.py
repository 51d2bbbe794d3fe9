"""Draws that repeat all day and favour what a user sees little of."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.catalogue.catalogue import Catalogue, identity_of
from serving.catalogue.rankings import Rankings
from serving.catalogue.signals import TrendingScores
from serving.steps import variety
from serving.steps.variety import day_seed, part_of, random_keys, sample_diverse
from serving.types import Item
from tests.worlds.world import world_params

ORDER = np.arange(200)
IDS = np.array([identity_of(f"item{number}") for number in range(200)], dtype=np.uint64)


def rankings_of(order: np.ndarray) -> Rankings:
    """Of 200 items, in this order."""
    catalogue = Catalogue()
    for number in order.tolist():
        catalogue.put(Item(f"item{number}", "product", "Cup"), 1)
    return Rankings(catalogue, TrendingScores(), None, world_params().ranking)


def draw(seed: int, kept: np.ndarray, k: int = 10) -> list[int]:
    """Places of k of the kept items, all alike but for their two groups, of which the first was shown."""
    groups = (np.arange(200) // 100).astype(np.int32)[kept]
    popularity, shown = np.ones(len(kept), dtype=np.float32), np.zeros(20, dtype=np.int32)
    places, _ = sample_diverse(groups, popularity, shown, random_keys(seed, IDS[kept]), k=k)
    return [int(place) for place in kept[places]]


def test_diverse_picks_repeat_for_a_seed_and_favour_groups_not_shown() -> None:
    everything = np.arange(200)
    draws = [draw(seed, everything) for seed in range(20)]
    assert draws[0] == draw(0, everything) and len(set(draws[0])) == 10
    assert np.mean([place >= 100 for each in draws for place in each]) > 0.8
    assert draws[0] != draws[1]


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 199), max_size=30), st.randoms())
def test_what_leaves_the_pool_moves_nothing_else(seed: int, gone: set[int], order: object) -> None:
    """Fewer items, or another order of the catalogue's rows, don't draw anew."""
    kept = np.array([place for place in range(200) if place not in gone])
    order.shuffle(kept)  # type: ignore[attr-defined]
    before, after = draw(seed, np.arange(200), k=200), draw(seed, kept, k=200)
    in_second_group = [place for place in before if place >= 100 and place not in gone]
    assert [place for place in after if place >= 100] == in_second_group


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 199),
    st.lists(st.integers(0, 4), max_size=10),
    st.lists(st.floats(0.5, 1), min_size=4, max_size=4),
)
@settings(max_examples=50)
def test_a_click_moves_its_group_as_a_whole(
    seed: int, clicked: int, seen: list[int], popular: list[float]
) -> None:
    """Its item leaves the draw, and its group counts as shown once more."""
    groups = (np.arange(200) % 5).astype(np.int32)
    popularity = np.resize(np.array(popular, dtype=np.float32), 200)

    def drawn(kept: np.ndarray, shown: list[int]) -> list[int]:
        chance = random_keys(seed, IDS[kept])
        seen_groups = np.array(shown, dtype=np.int32)
        places, _ = sample_diverse(groups[kept], popularity[kept], seen_groups, chance, k=len(kept))
        return [int(place) for place in kept[places]]

    everything, group = np.arange(200), int(groups[clicked])
    before = [place for place in drawn(everything, seen) if place != clicked]
    after = drawn(everything[everything != clicked], [*seen, group])
    for same in (True, False):
        assert [each for each in after if (groups[each] == group) is same] == [
            each for each in before if (groups[each] == group) is same
        ]
    # Of 40 items one is less, which counts for less than one more that was shown: none of them comes forward.
    moved = {each: after.index(each) - before.index(each) for each in after}
    assert all((place >= 0) if groups[each] == group else (place <= 0) for each, place in moved.items())


@given(st.integers(0, 2**64 - 1))
def test_lots_are_uniform_numbers_between_0_and_1(seed: int) -> None:
    drawn = random_keys(seed, IDS)
    assert ((drawn > 0) & (drawn < 1)).all() and len(np.unique(drawn)) == 200
    assert abs(drawn.mean() - 0.5) < 0.12


@pytest.mark.parametrize("popularity", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_cannot_be_drawn_by_is_refused(popularity: float) -> None:
    two = np.zeros(2, dtype=np.int32)
    with pytest.raises(ValueError, match=r"^popularity is to be 0 or more$"):
        sample_diverse(
            two, np.array([1, popularity], dtype=np.float32), two[:0], random_keys(1, IDS[:2]), k=1
        )


def test_the_day_and_the_user_make_the_seed() -> None:
    today = date(2026, 11, 21)
    assert day_seed("ann", today) == day_seed("ann", today)
    assert len({day_seed("ann", today), day_seed("bea", today), day_seed("ann", date(2026, 11, 22))}) == 3


@given(st.integers(0, 2**64 - 1), st.integers(1, 3000), st.sampled_from([1, 5, 40, 200]), st.integers(1, 60))
@settings(max_examples=50)
def test_of_many_the_same_are_drawn_as_by_the_keys_of_all(seed: int, count: int, k: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    own = (random.integers(0, groups, count) ** 2).astype(np.int32)
    popularity = (random.random(count) ** 8).astype(np.float32)
    seen = random.integers(0, groups, 10).astype(np.int32)
    chance = random_keys(seed, random.integers(0, 2**63, count).astype(np.uint64))
    places, keys = sample_diverse(own, popularity, seen, chance, k=k)
    times, sizes = Counter(seen.tolist()), Counter(own.tolist())
    weights = [
        (float(popular) + 0.05) / (1 + times[group]) / sizes[group]
        for popular, group in zip(popularity, own.tolist(), strict=True)
    ]
    wanted = [float(drawn) ** (max(weights) / weight) for drawn, weight in zip(chance, weights, strict=True)]
    order = sorted(range(count), key=lambda place: (-wanted[place], chance[place]))[:k]
    assert places.tolist() == order
    assert keys == pytest.approx([wanted[place] for place in order], rel=1e-6)


@given(st.integers(0, 2**64 - 1), st.integers(1, 40), st.integers(1, 40))
def test_a_key_is_the_same_whatever_it_is_drawn_with(seed: int, count: int, block: int) -> None:
    identity = np.arange(count, dtype=np.uint64)
    whole = random_keys(seed, identity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.steps.variety._BLOCK", block)
        assert random_keys(seed, identity).tolist() == whole.tolist()


@pytest.mark.parametrize("least", [25, 100, 101, 1000])
def test_each_of_many_items_is_drawn_from_by_as_many_seeds_as_any(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variety, "_DRAWN_FROM", least)
    rankings = rankings_of(ORDER)
    allowed = np.arange(200) % 8 != 3
    parts = np.array([np.isin(np.arange(200), part_of(allowed, rankings, seed << 56)) for seed in range(256)])
    shares = parts.mean(axis=0)
    assert not shares[~allowed].any() and len(set(shares[allowed].tolist())) == 1
    assert parts.sum(axis=1).mean() == (allowed.sum() if least > 87 else allowed.sum() / 4)
    another_order = np.random.default_rng(0).permutation(200)
    moved = part_of(allowed[another_order], rankings_of(another_order), 77 << 56)
    assert sorted(moved.tolist()) == np.flatnonzero(parts[77][another_order]).tolist()


@pytest.mark.parametrize("bits", [1, 5, 8, 9, 12])
def test_a_part_has_all_items_whose_identity_begins_with_its_bits(bits: int) -> None:
    catalogue = Catalogue()
    for number in range(150):
        catalogue.put(Item(f"item{number}", "product", "Cup"), number)
    rankings = Rankings(catalogue, TrendingScores(), None, world_params().ranking)
    for _ in range(2):
        begins = catalogue.column("identity") >> np.uint64(64 - bits)
        for first in {0, 2**bits - 1, *begins[::20].tolist()}:
            expected = np.flatnonzero(begins == np.uint64(first)).tolist()
            assert sorted(rankings.beginning_with(first, bits).tolist()) == expected
        catalogue.put(Item("new", "product", "Cup"), 151)
