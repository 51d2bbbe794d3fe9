"""The champion as the gate knows it: what serves, what was found when it was judged, how it came about."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.deployments import Deployment, current
from database.gate_decisions import GateDecision, decisions
from training.models.blend import BLEND
from training.params.operating import GateParams
from training.release.measurements import ChallengerReport, Change, Comparison, standard_error

LATEST = 20
"""Decisions on a bundle among which the one that accepted it is looked for."""


@dataclass(frozen=True)
class Champion:
    """The bundle that serves."""

    deployment: Deployment
    report: Mapping[str, Any] | None
    """Of the decision that accepted it; None if none is kept."""
    earlier: tuple[Change, ...]
    """Its difference from the champion before it, that one's from the one before, and so on."""

    @property
    def bundle_id(self) -> str:
        return self.deployment.bundle_id


def read_champion(conn: Connection, limits: GateParams, now: datetime | None = None) -> Champion | None:
    """What serves, and how it came about in the last `memory_days`; None before the first bundle."""
    serving = current(conn)
    if serving is None:
        return None
    since = (now or datetime.now(UTC)) - timedelta(days=limits.memory_days)
    decision = _accepted(conn, serving.bundle_id)
    return Champion(
        serving, decision.report if decision else None, tuple(_earlier(conn, decision, since, limits))
    )


def for_later_nights(report: ChallengerReport) -> dict[str, Any]:
    """What the decision on a bundle must keep, for the night that compares the next one with it."""
    kept: dict[str, Any] = {}
    if report.holdout is not None:
        kept["holdout"] = asdict(report.holdout)
    if report.volume is not None:
        kept["volume"] = asdict(report.volume)
    if report.champion_id and not report.champion_error and not report.incomparable:
        kept["blend"] = next((asdict(c) for c in report.comparisons if c.challenger == BLEND), None)
    return kept


def _accepted(conn: Connection, bundle_id: str) -> GateDecision | None:
    """The decision by which a bundle came into service: not one that compared it with itself, made again."""
    return next(
        (
            found
            for found in decisions(conn, LATEST, bundle_id)
            if found.accepted and found.champion_id != bundle_id
        ),
        None,
    )


def _earlier(
    conn: Connection, decision: GateDecision | None, since: datetime, limits: GateParams
) -> list[Change]:
    """Back from decision to decision, to one that had no champion to compare with or was overruled."""
    found: list[Change] = []
    seen: set[str] = set()
    while decision is not None and decision.decided_at >= since and decision.champion_id not in seen:
        blend, champion = decision.report.get("blend"), decision.champion_id
        if blend is None or champion is None or decision.report.get("override"):
            break
        comparison = Comparison(**blend)
        if comparison.reference <= 0.0 or comparison.users < limits.least_test_users:
            break
        error = standard_error(comparison, limits) / comparison.reference
        found.append(Change(champion, comparison.difference / comparison.reference, error))
        seen.add(champion)
        decision = _accepted(conn, champion)
    return found
