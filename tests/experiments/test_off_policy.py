"""Off-policy estimates on a synthetic log whose truth is known."""

import random
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.online import LoggedSlot
from experiments.off_policy import OffPolicy, estimate
from serving.steps.context import Exploration
from serving.steps.selection import explore

RATES = dict(zip("abcdefghij", np.linspace(0.02, 0.4, 10), strict=True))
"""Chance of a click on each item, wherever it stands."""
BEST = "jihgfedcba"
TRUTH = sum(RATES[item] for item in BEST[:3]) / 3


def shown_list(epsilon: float, generator: random.Random) -> tuple[str, tuple[float, ...]]:
    """The first three of ten items, explored."""
    found = explore(10, 3, Exploration(epsilon, 10, generator))
    return "".join("abcdefghij"[place] for place in found.places), found.propensities


def log(seed: int, lists: int, epsilon: float, target: str = BEST) -> list[LoggedSlot]:
    """Lists of a policy that ranks the worst items first and explores, beside what `target` would show."""
    generator = random.Random(seed)
    slots = []
    for number in range(lists):
        items, propensities = shown_list(epsilon, generator)
        for at, (item, chance) in enumerate(zip(items, propensities, strict=True)):
            clicked = float(generator.random() < RATES[item])
            slots.append(LoggedSlot(f"user{number}", chance, float(target[at] == item), clicked))
    return slots


def write_log(conn: Connection, experiment: str, lists: int = 3000, epsilon: float = 0.5) -> None:
    """The same log in the database: each list to another user, the target's as those of a shadow arm."""
    generator, moment = random.Random(9), datetime.now(UTC)
    rows, clicks = [], []
    for number in range(lists):
        items, propensities = shown_list(epsilon, generator)
        ids, answer = (f"r{number}", "hybrid", f"user{number}"), str(uuid5(NAMESPACE_OID, str(number)))
        rows.append((*ids, list(items), list(propensities), "b", moment, experiment, "now", True, answer))
        rows.append((*ids, list(BEST[:3]), [1.0] * 3, "b", moment, experiment, "best", False, answer))
        clicks += [
            (ids[2], "click", item, moment, "test") for item in items if generator.random() < RATES[item]
        ]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            """insert into impression_lists (request_id, endpoint, user_id, item_ids, propensities, bundle_id,
            shown_at, experiment_id, arm, shown, answer_id) values %s""",
            rows,
        )
        execute_values(
            cursor,
            "insert into interactions (user_id, event_type, item_id, occurred_at, source) values %s",
            clicks,
        )
    conn.commit()


def found(slots: list[LoggedSlot], clip: float = 1000) -> OffPolicy:
    made = estimate(slots, clip, 0.95)
    assert made is not None
    return made


def test_the_truth_is_found_without_showing_the_target() -> None:
    made = found(log(1, 40_000, epsilon=0.5))
    assert made.snips == pytest.approx(TRUTH, abs=0.02)
    assert made.ips == pytest.approx(TRUTH, abs=0.03)
    assert made.low < TRUTH < made.high
    assert made.mean_weight == pytest.approx(1, abs=0.05)
    assert made.logged < 0.75 * TRUTH
    assert made.effective_slots < made.slots / 10


def test_the_interval_holds_as_often_as_it_says() -> None:
    inside = [(one := found(log(seed, 600, epsilon=0.5))).low < TRUTH < one.high for seed in range(200)]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_the_shown_policy_itself_is_estimated_by_its_own_mean() -> None:
    slots = [LoggedSlot(f"user{n}", 1.0, 1.0, float(n % 4 == 0)) for n in range(1000)]
    made = found(slots)
    assert made.ips == made.snips == made.logged == 0.25


def test_missing_support_shows_in_the_mean_weight() -> None:
    outside = found(log(3, 5_000, epsilon=0.5, target="jzz"))
    assert outside.mean_weight == pytest.approx(1 / 3, abs=0.05)


def test_clipping_bounds_a_weight() -> None:
    slots = [LoggedSlot("ann", 0.001, 1, 1), LoggedSlot("bob", 1, 1, 0)]
    assert found(slots, clip=10).snips == pytest.approx(10 / 11)


def test_no_evidence_is_no_estimate() -> None:
    assert estimate([], 10, 0.95) is None
    assert estimate([LoggedSlot("ann", 0.5, 0.0, 1.0)], 10, 0.95) is None
