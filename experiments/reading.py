"""What an experiment has found so far: rates and verdicts by arm, and what a shadow would have earned."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Experiment, get_experiment
from database.online import (
    Attribution,
    ClickCounts,
    arm_clicks,
    arm_list_clicks,
    list_clicks,
    logged_slots,
    shown_clicks,
)
from experiments.off_policy import OffPolicy, estimate
from experiments.statistics import NOTHING, Difference, Rate, SequentialTest, compare
from training.params.experiments import ExperimentsParams


@dataclass(frozen=True, slots=True)
class ArmReading:
    """One arm: its rate, the Wilson interval, and the difference to the control (None for the control)."""

    name: str
    rate: Rate
    low: float
    high: float
    difference: Difference | None
    lists: Mapping[str, Rate] = field(default_factory=dict)
    """The rate of each list by itself, by its name."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An experiment so far."""

    experiment: Experiment
    arms: tuple[ArmReading, ...]
    read_at: datetime


def click_rate(
    conn: Connection,
    bundle_id: str | None,
    since: datetime,
    until: datetime,
    attribution: Attribution,
    *,
    clicks_until: datetime | None = None,
    experiment_id: str | None = None,
) -> Rate:
    """Click rate of what a bundle (None: any bundle) showed between two moments: see `shown_clicks`."""
    counts = shown_clicks(
        conn,
        bundle_id,
        since,
        until,
        attribution,
        clicks_until=clicks_until,
        experiment_id=experiment_id,
    )
    return _rate(counts)


def click_rates_by_list(
    conn: Connection, bundle_id: str | None, since: datetime, until: datetime, attribution: Attribution
) -> dict[str, Rate]:
    """Click rate of each list that a bundle (None: any bundle) showed between two moments, by its name."""
    counts = list_clicks(conn, bundle_id, since, until, attribution)
    return {name: _rate(each) for name, each in sorted(counts.items())}


def read_all(
    conn: Connection, experiment_id: str, now: datetime, params: ExperimentsParams
) -> tuple[Reading, OffPolicy | None]:
    """Every arm's rate and verdict; of a shadow test with a log also what its lists would have earned.

    Raises:
        ExperimentUnknownError: there is no such experiment.
    """
    test = SequentialTest(params.alpha, params.effect_scale, params.min_users)
    reading = read_experiment(conn, experiment_id, now, params.attribution(), test)
    if reading.experiment.kind != "shadow":
        return reading, None
    slots = logged_slots(conn, reading.experiment, now, params.attribution(), params.off_policy_slots)
    return reading, estimate(slots, params.importance_clip, 1 - params.alpha, params.min_users)


def read_experiment(
    conn: Connection, experiment_id: str, now: datetime, attribution: Attribution, test: SequentialTest
) -> Reading:
    """Rates of every arm and the verdict on each against the first.

    A shadow arm shows nothing, so it has no clicks: see `read_all`. With more than two arms, each comparison
    gets its part of alpha (Bonferroni).

    Raises:
        ExperimentUnknownError: there is no such experiment.
    """
    experiment = get_experiment(conn, experiment_id)
    clicks = arm_clicks(conn, experiment, now, attribution)
    rates = {name: _rate(counts) for name, counts in clicks.items()}
    by_list = arm_list_clicks(conn, experiment, now, attribution)
    control = rates.get(experiment.arms[0].name, NOTHING)
    alpha = test.alpha / (len(experiment.arms) - 1)
    arms = []
    for arm in experiment.arms:
        rate = rates.get(arm.name, NOTHING)
        compared = experiment.kind == "ab" and arm is not experiment.arms[0]
        difference = (
            compare(control, rate, alpha=alpha, scale=test.scale, min_users=test.min_users)
            if compared
            else None
        )
        lists = {name: _rate(each) for (of, name), each in sorted(by_list.items()) if of == arm.name}
        arms.append(ArmReading(arm.name, rate, *rate.wilson(1 - test.alpha), difference, lists))
    return Reading(experiment, tuple(arms), now)


def _rate(counts: ClickCounts) -> Rate:
    return Rate(*astuple(counts))
