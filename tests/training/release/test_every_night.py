"""A shop from its first night to its 120th: what is held out, what it is compared with, what the gate says.

`benchmarks.new_shop` plays them with all models, in an hour; here one model stands for the blend, and its
lists are measured and judged by the product's own functions, every night.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.new_shop.shop import Customers, history
from database.settings import REPOSITORY
from training.data.prepared import Prepared
from training.data.split import DAY
from training.evaluation.holdout import Holdout, HoldoutFacts, evaluate_ranker, open_holdout
from training.evaluation.intervals import compare
from training.evaluation.ranking import Evaluation
from training.models.blend import BLEND
from training.models.core.base import Model
from training.models.core.data import Catalogue, Events
from training.models.core.types import DoubleArray
from training.models.core.vocabulary import Vocabulary
from training.models.popularity import Popularity
from training.models.registry import fit_model
from training.params import Params, load_params
from training.release.gate import decide
from training.release.holdouts import incomparable
from training.release.measurements import ChallengerReport, Comparison

NIGHTS = 120
CUSTOMERS = Customers(items=60, new_a_day=8)
CHANGED = 100
"""From this night on `split.test_days` is 14."""
BROKEN = (50, 75)
"""On these nights the model likes what nobody buys."""


@dataclass(frozen=True)
class Night:
    number: int
    facts: HoldoutFacts
    against: str
    """The champion, or the baseline."""
    leaked: bool
    accepted: bool
    reasons: tuple[str, ...]
    difference: float


@dataclass(frozen=True)
class Served:
    """The champion: its evaluation model, and what that was kept from."""

    night: int
    model: Model
    facts: HoldoutFacts


def shop() -> Prepared:
    """The whole history; a night knows the events of the days before it."""
    events = [event for day in history(NIGHTS, CUSTOMERS, seed=3) for event in day]
    user, item = (
        np.array([getattr(each, key) for each in events], dtype=np.int32) for key in ("user", "item")
    )
    weight = np.array([5.0 if each.kind == "purchase" else 2.0 for each in events], dtype=np.float32)
    time = np.array([each.at.timestamp() for each in events], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int32)
    return Prepared(
        items=Vocabulary.build(f"i{n:02d}" for n in range(CUSTOMERS.items)),
        users=Vocabulary.build(f"u{n:04d}" for n in range(int(user.max()) + 1)),
        events=Events(user, item, weight, time),
        basket_item=nothing,
        basket_row=nothing,
        basket_time=nothing.astype(np.int64),
        basket_event=nothing,
        catalogue=Catalogue(),
        vectors=np.eye(CUSTOMERS.items, dtype=np.float32),
    )


def metric(evaluation: Evaluation, holdout: Holdout, params: Params) -> DoubleArray:
    values = evaluation.per_user.get(params.gate.metric)
    return np.zeros(0) if values is None else values[holdout.warm]


def judge(
    night: int, holdout: Holdout, models: Mapping[str, Model], served: Served | None, params: Params
) -> Night:
    """Compare the blend with the champion's on tonight's holdout, as the step `gate` does, and decide."""
    reason = None if served is None else incomparable(holdout.facts, served.facts)
    other = models["popularity"] if served is None or reason is not None else served.model
    mine, theirs = (
        metric(evaluate_ranker(each, holdout, params.evaluation, params.seed), holdout, params)
        for each in (models[BLEND], other)
    )
    found = Comparison(BLEND, "other", params.gate.metric, 0.0, 0.0, 0.0, 0)
    if len(mine):
        result = compare(mine, theirs, params.evaluation.bootstrap_samples, params.seed, 0.975)
        found = Comparison(
            BLEND,
            "other",
            found.metric,
            result.difference,
            result.low,
            result.high,
            result.users,
            float(theirs.mean()),
        )
    report = ChallengerReport(
        bundle_id=f"night {night}",
        champion_id=None if served is None else f"night {served.night}",
        comparisons=(found,),
        coverage=None,
        cold=None,
        index_recall=1.0,
        size_mb=1.0,
        smoke_p95_ms=1.0,
        smoke_errors=(),
        incomparable=reason,
        champion_measured=served is not None and served.facts.warm_users >= params.gate.min_test_users,
        holdout=holdout.facts,
    )
    decision = decide(report, params.gate)
    tested = served is not None and reason is None
    start = holdout.facts.start
    return Night(
        night,
        holdout.facts,
        "champion" if tested else "popularity",
        tested
        and served is not None
        and (start is None or served.facts.start is None or served.facts.start > start),
        decision.accepted,
        decision.reasons,
        found.difference,
    )


@pytest.fixture(scope="module")
def nights() -> list[Night]:
    params = load_params(REPOSITORY / "params.yaml")
    params = params.model_copy(
        update={
            "evaluation": params.evaluation.model_copy(update={"bootstrap_samples": 100, "cutoffs": (10,)})
        }
    )
    whole, served, played = shop(), None, []
    first = int(whole.events.time.min()) // DAY
    for night in range(1, NIGHTS + 1):
        known = whole.events.time < (first + night) * DAY
        prepared = replace(whole, events=whole.events.where(known))
        split = params.split.model_copy(update={"test_days": 14}) if night >= CHANGED else params.split
        holdout = open_holdout(prepared, split, params.seed)
        data = holdout.training_data(prepared)
        models = {
            name: fit_model(name, data, params.model(name), params.seed) for name in ("popularity", "itemknn")
        }
        unwanted = (
            np.arange(len(whole.items), 0, -1)
            - np.bincount(data.events.item, minlength=len(whole.items)) * 100
        )
        broken = Popularity(*2 * [(unwanted - unwanted.min() + 1).astype(np.float32)])
        models[BLEND] = broken if night in BROKEN else models.pop("itemknn")
        played.append(judge(night, holdout, models, served, params))
        if played[-1].accepted:
            served = Served(night, models[BLEND], holdout.facts)
    return played


def test_no_night_is_judged_by_what_its_champion_has_seen(nights: list[Night]) -> None:
    assert not [night.number for night in nights if night.leaked]
    assert nights[0].against == "popularity", "there is no champion yet"
    # In the first weeks a busy day can make tonight's test much shorter than the champion's was.
    compared = [night.number for night in nights[20:] if night.against == "popularity"]
    assert compared == [CHANGED], (
        "the champion was kept from 28 days, tonight's from 14: it would lose by that"
    )


def test_there_is_a_test_from_the_second_night_on_and_it_grows_to_the_days_asked_for(
    nights: list[Night],
) -> None:
    assert all(night.facts.users for night in nights[1:])
    starts = [night.facts.start or 0 for night in nights]
    assert starts == sorted(starts), "what an earlier night learned from is in no later test"
    assert 14 < nights[CHANGED - 2].facts.days <= 28
    assert nights[CHANGED - 1].facts.days == pytest.approx(14, abs=0.2)


def test_a_calm_night_is_accepted_and_a_broken_one_is_refused_with_its_reason(nights: list[Night]) -> None:
    refused = {night.number: night for night in nights if not night.accepted}
    assert set(BROKEN) <= set(refused)
    assert all("accuracy" in refused[number].reasons[0] for number in BROKEN)
    others = set(refused) - set(BROKEN)
    assert len(others) <= 3, {number: refused[number].reasons for number in others}
    for number in others:
        night = refused[number]
        assert night.difference < 0 or night.facts.warm_users < 20, night.reasons
