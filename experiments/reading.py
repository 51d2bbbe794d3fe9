"""What an experiment has found so far: rates and verdicts by arm, and what a shadow would have earned."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Experiment, get_experiment
from database.online import (
    NOTHING,
    Attribution,
    ClickCounts,
    arm_clicks,
    arm_list_clicks,
    list_clicks,
    logged_slots,
    shown_clicks,
)
from database.outcomes import Moments, arm_outcomes
from experiments.off_policy import OffPolicy, estimate
from experiments.outcomes import OutcomeReading, compare_outcomes, harmed, read_outcome
from experiments.statistics import (
    Difference,
    Rate,
    SampleRatio,
    SequentialTest,
    Verdict,
    compare,
    sample_ratio,
)
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
    outcomes: Mapping[str, OutcomeReading] = field(default_factory=dict)
    """What its users did besides clicking, by the outcome's name."""
    harmed: tuple[str, ...] = ()
    """The guardrails that it is shown to make worse."""
    waits: str | None = None
    """What the verdict waits for, where it is known."""
    verdict: Verdict | None = None
    """Of clicks and guardrails together: who makes a guardrail worse is worse. None for the control."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An experiment so far."""

    experiment: Experiment
    arms: tuple[ArmReading, ...]
    read_at: datetime
    ratio: SampleRatio | None = None
    """Whether the arms have their shares of the users; None for a shadow test, where one arm has all."""


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
    """Every arm's rate, outcomes and verdict; of a shadow test also what its lists would have earned.

    Raises ExperimentUnknownError when there is no such experiment.
    """
    reading = read_experiment(conn, experiment_id, now, params)
    if reading.experiment.kind != "shadow":
        return reading, None
    slots = logged_slots(conn, reading.experiment, now, params.attribution(), params.off_policy_slots)
    return reading, estimate(slots, params.importance_clip, 1 - params.alpha, params.min_users)


def read_experiment(
    conn: Connection, experiment_id: str, now: datetime, params: ExperimentsParams
) -> Reading:
    """Rates and outcomes of every arm and the verdict on each against the first.

    A shadow arm shows nothing, so it has no clicks: see `read_all`. With more than two arms, each comparison
    gets its part of alpha (Bonferroni). Where the arms don't have their shares of the users, verdicts are
    withheld.

    Raises ExperimentUnknownError when there is no such experiment.
    """
    experiment = get_experiment(conn, experiment_id)
    clicks = arm_clicks(conn, experiment, now, params.attribution())
    by_list = arm_list_clicks(conn, experiment, now, params.attribution())
    moments: dict[str, dict[str, Moments]] = {}
    for (name, outcome), each in arm_outcomes(conn, experiment, now, timedelta(params.before_days)).items():
        moments.setdefault(name, {})[outcome] = each
    confidence = 1 - params.alpha
    arms = []
    for arm in experiment.arms:
        lists = {name: _rate(each) for (of, name), each in sorted(by_list.items()) if of == arm.name}
        rate = _rate(clicks.get(arm.name, NOTHING))
        alone = {name: read_outcome(each, confidence) for name, each in moments.get(arm.name, {}).items()}
        arms.append(ArmReading(arm.name, rate, *rate.wilson(confidence), None, lists, alone))
    if experiment.kind == "shadow":
        return Reading(experiment, tuple(arms), now)
    control, *others = arms
    compared = [_compared(control, arm, moments, params, len(others)) for arm in others]
    ratio = sample_ratio(
        [arm.rate.users for arm in arms], [arm.share for arm in experiment.arms], params.ratio_alpha
    )
    if ratio.mismatch:
        compared = [_withheld(arm) for arm in compared]
    return Reading(experiment, (control, *compared), now, ratio)


def _compared(
    control: ArmReading,
    arm: ArmReading,
    moments: Mapping[str, Mapping[str, Moments]],
    params: ExperimentsParams,
    comparisons: int,
) -> ArmReading:
    """An arm with what it differs in from the control."""
    alpha = params.alpha / comparisons
    difference = compare(
        control.rate, arm.rate, alpha=alpha, scale=params.effect_scale, min_users=params.min_users
    )
    test = SequentialTest(alpha, params.outcome_scale, params.min_users)
    outcomes = compare_outcomes(moments.get(control.name, {}), moments.get(arm.name, {}), test)
    worse = harmed(outcomes, params.guardrails)
    fewest = min(control.rate.users, arm.rate.users)
    waits = f"needs {params.min_users} users an arm, has {fewest}" if fewest < params.min_users else None
    return replace(
        arm,
        difference=difference,
        outcomes=outcomes or arm.outcomes,
        harmed=worse,
        waits=waits,
        verdict="worse" if worse else difference.verdict,
    )


def _withheld(arm: ArmReading) -> ArmReading:
    """The same without a verdict on anything."""

    def silent(difference: Difference | None) -> Difference | None:
        return None if difference is None else replace(difference, verdict="withheld")

    outcomes = {
        name: replace(each, difference=silent(each.difference)) for name, each in arm.outcomes.items()
    }
    return replace(arm, difference=silent(arm.difference), outcomes=outcomes, harmed=(), verdict="withheld")


def _rate(counts: ClickCounts) -> Rate:
    return Rate(*astuple(counts))
