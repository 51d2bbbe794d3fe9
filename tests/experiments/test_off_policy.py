"""Off-policy estimates on a synthetic log whose truth is known."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.online import LoggedSlot
from database.settings import REPOSITORY
from experiments.off_policy import OffPolicy, Slots, estimate
from serving.steps.context import Exploration
from serving.steps.selection import explore
from training.params import load_params

RATES = dict(zip("abcdefghij", np.linspace(0.02, 0.4, 10), strict=True))
"""Chance of a click on each item, wherever it stands."""
BEST = "jihgfedcba"
EPSILON = 0.05
"""What docs/experiments.md starts a shadow test with."""
PARAMS = load_params(REPOSITORY / "params.yaml").experiments
POOL, CLIP = PARAMS.exploration_pool, PARAMS.importance_clip
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


def holds(made: OffPolicy, truth: float) -> bool:
    """Whether the interval has the truth in it."""
    return made.low is not None and made.high is not None and made.low < truth < made.high


@dataclass(frozen=True)
class Shop:
    """A shadow test with the shipped exploration: five lists for each of the users, who differ in taste."""

    better: float
    """How much more is clicked on the items in which the shadow differs."""
    agree: float = 0.7
    """Share of the places at which both would show the same item."""
    outside: float = 0.0
    """Share of the other places whose item is not among the explored candidates."""
    users: int = 2000
    rate: float = 0.05

    @property
    def truth(self) -> float:
        """Clicks per item that the shadow would earn."""
        return self.rate * (self.agree + (1 - self.agree) * self.better)

    def estimate(self, seed: int) -> OffPolicy:
        """The estimate from a log of 5 lists a user and 6 places a list."""
        generator = np.random.default_rng(seed)
        user = np.repeat(np.arange(self.users), 5)
        shape = (len(user), 6)
        taste = generator.gamma(2, 0.5, self.users)[user][:, None]
        agreement = generator.beta(4 * self.agree, 4 * (1 - self.agree), self.users)[user][:, None]
        same = generator.random(shape) < agreement
        missing = ~same & (generator.random(shape) < self.outside)
        drawn = (generator.random(len(user)) < EPSILON)[:, None]
        candidate = generator.integers(0, POOL, shape)  # 0: the base's item of this place, 1: the shadow's
        base = ~drawn | (candidate == 0)
        target = np.where(same, base, drawn & (candidate == 1) & ~missing)
        factor = np.where(base, 1.0, np.where(target, self.better, 0.5))
        clicked = generator.random(shape) < self.rate * taste * factor
        propensity = np.where(base, 1 - EPSILON, 0) + EPSILON / POOL
        columns = (np.repeat(user, 6), propensity.ravel(), target.ravel().astype(float))
        made = estimate(Slots(*columns, clicked.ravel().astype(float)), CLIP, 0.95, 100)
        assert made is not None
        return made


def found(slots: list[LoggedSlot], clip: float = 1000) -> OffPolicy:
    made = estimate(slots, clip, 0.95)
    assert made is not None
    return made


@pytest.mark.slow
def test_the_truth_is_found_without_showing_the_target() -> None:
    made = found(log(1, 40_000, epsilon=0.5))
    assert made.value == pytest.approx(TRUTH, abs=0.02)
    assert made.ips == pytest.approx(TRUTH, abs=0.03)
    assert holds(made, TRUTH)
    assert made.mean_weight == pytest.approx(1, abs=0.05)
    assert made.logged < 0.75 * TRUTH
    assert made.effective_slots < made.slots / 10


@pytest.mark.slow
def test_the_interval_holds_as_often_as_it_says() -> None:
    made = [found(log(seed, 600, epsilon=0.5)) for seed in range(200)]
    shown = [one for one in made if one.low is not None]
    assert len(shown) >= 190
    assert 0.9 <= np.mean([holds(one, TRUTH) for one in shown]) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("better", [0.3, 1.5, 3.0])
def test_with_the_shipped_values_the_interval_holds_the_truth(better: float) -> None:
    shop = Shop(better=better)
    made = [shop.estimate(seed) for seed in range(200)]
    shown = [one for one in made if one.low is not None]
    assert len(shown) >= 190, "the log has full support"
    assert np.mean([holds(one, shop.truth) for one in shown]) >= 0.94
    assert abs(np.mean([one.value for one in made]) - shop.truth) < 0.1 * shop.truth
    assert np.mean([(one.high or 0) - (one.low or 0) for one in shown]) < 0.2


def test_what_few_slots_decide_is_said_and_shows_in_the_interval() -> None:
    made = Shop(better=1.5).estimate(1)
    assert made.rare_share == pytest.approx(0.3, abs=0.02)
    assert 1 <= made.rare_slots <= 25
    assert made.low is not None and made.high is not None and made.high - made.low > 0.05
    assert any("have a weight above 50" in warning for warning in made.warnings)


def test_rare_places_of_which_none_was_shown_may_earn_anything() -> None:
    """Three of ten places differ, and the draws showed other items there."""
    common = [LoggedSlot(f"user{n}", 0.95, float(n % 10 < 7), float(n % 20 == 0)) for n in range(1000)]
    drawn = [LoggedSlot(f"user{n}", 0.0005, 0.0, 0.0) for n in range(50)]
    made = found([*common, *drawn], clip=50)
    assert made.rare_slots == 0 and made.low is not None and made.high is not None
    assert made.low < 0.05 and made.high > 0.25
    assert any("none of these was shown yet" in warning for warning in made.warnings)


def test_there_is_no_interval_where_the_log_lacks_what_the_shadow_shows() -> None:
    """Four fifths of the items in which the shadow differs are outside the pool."""
    shop = Shop(better=3.0, agree=0.1, outside=0.8, users=4000)
    made = [shop.estimate(seed) for seed in range(20)]
    assert [one.low for one in made] == [None] * 20
    assert all("the log lacks items" in one.warnings[0] for one in made)


def test_there_is_no_interval_of_too_few_users() -> None:
    made = estimate(log(1, 50, epsilon=0.5), 1000, 0.95, min_users=100)
    assert made is not None and made.low is None
    assert made.warnings == ("no interval: 50 users, and 100 are needed",)


def test_the_shown_policy_itself_is_estimated_by_its_own_mean() -> None:
    slots = [LoggedSlot(f"user{n}", 1.0, 1.0, float(n % 4 == 0)) for n in range(1000)]
    made = found(slots)
    assert made.ips == made.value == made.logged == 0.25
    assert (made.rare_share, made.warnings) == (0.0, ())


def test_missing_support_shows_in_the_mean_weight() -> None:
    outside = found(log(3, 5_000, epsilon=0.5, target="jzz"))
    assert outside.mean_weight == pytest.approx(1 / 3, abs=0.05)
    assert outside.low is None and "the log lacks items" in outside.warnings[0]


def test_no_evidence_is_no_estimate() -> None:
    assert estimate([], 10, 0.95) is None
    assert estimate([LoggedSlot("ann", 0.5, 0.0, 1.0)], 10, 0.95) is None
