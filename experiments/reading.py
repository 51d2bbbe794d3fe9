"""All that an experiment has found so far: its arms' clicks, and what an unseen shadow would have earned."""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.online import Attribution, Reading, Sequential, logged_slots, read_experiment
from experiments.off_policy import OffPolicy, estimate


@dataclass(frozen=True, slots=True)
class Rules:
    """How experiments are read."""

    attribution: Attribution
    test: Sequential
    clip: float
    """Largest weight of a shadow's slot: see `experiments.off_policy.estimate`."""
    slots: int
    """Slots of a shadow test that are read at most, the oldest first."""


def read_all(
    conn: Connection, experiment_id: str, now: datetime, rules: Rules
) -> tuple[Reading, OffPolicy | None]:
    """Every arm's rate and verdict; of a shadow test with a log also what its lists would have earned.

    Raises ExperimentUnknownError.
    """
    reading = read_experiment(conn, experiment_id, now, rules.attribution, rules.test)
    if reading.experiment.kind != "shadow":
        return reading, None
    slots = logged_slots(conn, reading.experiment, now, rules.attribution, rules.slots)
    return reading, estimate(slots, rules.clip, 1 - rules.test.alpha)
