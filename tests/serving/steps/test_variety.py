"""Draws that repeat all day and favour what a user sees little of."""

from datetime import date

import numpy as np

from serving.steps.variety import day_seed, sample_diverse


def test_diverse_picks_repeat_for_a_seed_and_favour_groups_not_shown() -> None:
    groups = (np.arange(200) // 100).astype(np.int32)
    popularity = np.ones(200, dtype=np.float32)
    shown = np.zeros(20, dtype=np.int32)
    draws = [sample_diverse(groups, popularity, shown, k=10, seed=seed)[0] for seed in range(20)]
    again = sample_diverse(groups, popularity, shown, k=10, seed=0)[0]
    assert draws[0].tolist() == again.tolist() and len(set(again.tolist())) == 10
    assert np.mean([groups[draw].mean() for draw in draws]) > 0.8
    assert draws[0].tolist() != draws[1].tolist()


def test_the_day_and_the_user_make_the_seed() -> None:
    today = date(2026, 11, 21)
    assert day_seed("ann", today) == day_seed("ann", today)
    assert len({day_seed("ann", today), day_seed("bea", today), day_seed("ann", date(2026, 11, 22))}) == 3
