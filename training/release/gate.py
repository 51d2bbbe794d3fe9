"""Whether a bundle may serve: pure checks of measured values against the thresholds in params.yaml.

A bundle is compared with the champion on the same holdout; with the popularity baseline if there is no
champion, or none that can be tested there. What can't be measured changes nothing: a champion that was
measured stays. An operator may overrule what the checks found, with a reason that is recorded.
"""

from dataclasses import asdict, dataclass, replace
from math import hypot
from statistics import NormalDist
from typing import Any

from training.evaluation.intervals import NORMAL
from training.markdown import difference, table
from training.models.blend import BLEND
from training.params.operating import GateParams
from training.release.measurements import ChallengerReport, Comparison, standard_error

SMOKE_TEST = "smoke test"
"""The one check that nobody can overrule: a bundle that fails it can't serve."""

POWER = 0.8
"""Probability with which the loss that a decision names would be found."""


@dataclass(frozen=True)
class Check:
    """One rule: what was measured, the limit, and whether it holds."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str


@dataclass(frozen=True)
class Override:
    """An operator's word that a bundle may serve although checks failed."""

    reason: str
    by: str
    """Name of the account that gave it."""


@dataclass(frozen=True)
class Decision:
    """Accepted or rejected, with the checks behind it."""

    bundle_id: str
    champion_id: str | None
    accepted: bool
    checks: tuple[Check, ...]
    override: Override | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was rejected; if it was overruled, why it would have been. Empty if all checks passed."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.passed)

    def as_dict(self) -> dict[str, Any]:
        """JSON form for the database and MLflow."""
        return {
            **asdict(self),
            "checks": [asdict(check) for check in self.checks],
            "reasons": list(self.reasons),
        }

    def as_table(self) -> str:
        """Markdown for the log and MLflow."""
        verdict = "accepted" if self.accepted else "rejected"
        against = f"champion {self.champion_id}" if self.champion_id else "the baseline (no champion yet)"
        rows = [
            [c.name, "yes" if c.passed else "NO", _number(c.value), _number(c.limit), c.detail]
            for c in self.checks
        ]
        checks = table(["check", "passed", "value", "limit", "detail"], rows)
        by = f" by {self.override.by}: {self.override.reason}" if self.override else ""
        return f"Bundle {self.bundle_id} is {verdict} against {against}{by}.\n\n{checks}"


def decide(report: ChallengerReport, limits: GateParams) -> Decision:
    """Apply every rule; one that fails refuses the bundle."""
    checks = (
        *_champion(report),
        *_volume(report),
        *_accuracy(report, limits),
        *_coverage(report, limits),
        _cold(report, limits),
        _recall(report, limits),
        _size(report, limits),
        _smoke(report, limits),
    )
    return Decision(report.bundle_id, report.champion_id, all(check.passed for check in checks), checks)


def overrule(decision: Decision, override: Override) -> Decision:
    """The decision when an operator accepts the bundle; one that no check failed, or SMOKE_TEST, stays."""
    failed = {check.name for check in decision.checks if not check.passed}
    if not failed or SMOKE_TEST in failed:
        return decision
    return replace(decision, accepted=True, override=override)


def _size(report: ChallengerReport, limits: GateParams) -> Check:
    """A warning: a shop that has grown keeps learning, and its operator is told what the size means."""
    detail = "MB on disk"
    if report.size_mb > limits.max_size_mb:
        detail += (
            "; WARNING: above max_size_mb. Workers share the bundle's pages in memory, so the machine needs "
            "that much beside the rest, twice while bundles are swapped. Give it the memory or have a model "
            "keep less (als.factors, neighbours), then raise gate.max_size_mb"
        )
    return Check("size", True, report.size_mb, limits.max_size_mb, detail)


def _champion(report: ChallengerReport) -> list[Check]:
    """A champion that can't be compared with is named; what that means for accuracy is said there."""
    reason = report.champion_error or report.incomparable
    if reason is None:
        return []
    what = "evaluated" if report.champion_error else "compared"
    detail = f"can't be {what} ({reason}); compared with the baseline instead"
    return [Check("champion", True, None, None, detail)]


def _volume(report: ChallengerReport) -> list[Check]:
    """A snapshot that lost much of what the champion's held is a mistake until somebody says otherwise."""
    if report.champion_id is None:
        return []
    if report.lost is None:
        return [Check("volume", True, None, None, "not judged: the champion's is not known")]
    detail = "; ".join(report.lost) or "nothing that the champion's snapshot held has gone"
    return [Check("volume", not report.lost, None, None, detail)]


def _accuracy(report: ChallengerReport, limits: GateParams) -> list[Check]:
    users = max((c.users for c in report.comparisons if c.challenger == BLEND), default=0)
    if users < limits.least_test_users:
        return [_unmeasured(report, users, limits)]
    if report.champion_id is None or report.champion_error or report.incomparable:
        return [_against_baseline(report, limits)]
    return [*_against_champion(report, limits), *_small_losses(report, limits)]


def _unmeasured(report: ChallengerReport, users: int, limits: GateParams) -> Check:
    """A champion that was measured stays; one that was not either gives way to what knows more."""
    few = f"not judged: {users} test users with a history, fewer than {limits.least_test_users}"
    stays = report.champion_measured and report.champion_error is None
    detail = f"{few}; the champion was measured, so it stays" if stays else few
    return Check("accuracy", not stays, None, None, detail)


def _against_baseline(report: ChallengerReport, limits: GateParams) -> Check:
    """The blend, which is what users see, must beat the baseline by more than the limit.

    Its mean decides, though chance may have a part in it: nothing serves yet but what is popular, which the
    bundle shows to whom no model knows.
    """
    blend = next(c for c in report.comparisons if c.challenger == BLEND)
    limit = limits.min_gain_over_baseline
    return Check(
        "accuracy against the baseline", blend.difference > limit, blend.difference, limit, _describe(blend)
    )


def _against_champion(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """No judged model may be worse than its counterpart by more than the floor.

    The blend is what users see: its mean decides, and its floor is relative to the champion. It is also
    refused when it is shown to be worse (the whole interval lies below zero) and may be so by more than
    the floor. A single model's start is random and its luck is not in the interval, so it is refused only
    when both say so: the mean lies below the floor, and the whole interval below zero.
    """
    checks = []
    for comparison in report.comparisons:
        name, floor = f"accuracy of {comparison.challenger}", limits.min_ndcg_difference
        if comparison.users < limits.least_test_users:
            detail = f"not judged: {comparison.users} test users, fewer than {limits.least_test_users}"
            checks.append(Check(name, True, None, None, detail))
            continue
        worse, detail = comparison.high < 0.0, _describe(comparison)
        if comparison.challenger == BLEND:
            floor = -limits.max_relative_loss * comparison.reference
            passed = comparison.difference >= floor and not (worse and comparison.low < floor)
            detail += f". {_margin(comparison, floor, limits)}"
        else:
            passed = not (comparison.difference < floor and worse)
        checks.append(Check(name, passed, comparison.difference, floor, detail))
    return checks


def _margin(comparison: Comparison, floor: float, limits: GateParams) -> str:
    """What the blend's floor means with so many users: false alarms, and the loss that would be found."""
    error = standard_error(comparison, limits)
    share = f" ({limits.max_relative_loss:.0%} of the champion's)"
    if error <= 0.0:
        return f"Margin {floor:+.4f}{share}"
    # A mean below this is rejected: by the floor, or as shown to be worse and perhaps by more than the floor.
    half, normal = (comparison.high - comparison.low) / 2.0, NormalDist()
    cut = max(floor, min(-half, floor + half))
    alarm, found = normal.cdf(cut / error), normal.inv_cdf(POWER) * error - cut
    return (
        f"Margin {floor:+.4f}{share}: with these users it rejects an equally good bundle in {alarm:.0%} of "
        f"nights, and one worse by {found:.4f} in {POWER:.0%}"
    )


def _small_losses(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """Losses too small for one night add up: none may be shown against the best champion of the last weeks.

    Each night's difference is relative to that night's champion. Their errors are added as if independent,
    which they are not quite (nights share test users), so the interval is on the wide side.
    """
    blend = next(c for c in report.comparisons if c.challenger == BLEND)
    if not report.earlier or blend.reference <= 0.0:
        return []
    total, error = blend.difference / blend.reference, standard_error(blend, limits) / blend.reference
    sums: list[tuple[float, float, str]] = []
    for change in report.earlier:
        total, error = total + change.relative, hypot(error, change.error)
        sums.append((total, error, change.bundle_id))
    loss, error, since = min(sums)
    high = loss + NORMAL * error
    passed = not (loss < -limits.max_relative_loss and high < 0.0)
    detail = (
        f"{difference(loss, loss - NORMAL * error, high)} of its {blend.metric} in all since bundle {since} "
        f"was accepted; {len(sums)} nights looked at"
    )
    return [Check("small losses", passed, loss, -limits.max_relative_loss, detail)]


def _coverage(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """What serves must not narrow down: refused when the whole interval of the ratio lies below the limit."""
    if report.coverage is None:
        return []
    name, limit, users = f"coverage of {BLEND}", limits.min_coverage_ratio, report.coverage.users
    if users < limits.least_test_users:
        detail = f"not judged: {users} test users, fewer than {limits.least_test_users}"
        return [Check(name, True, None, None, detail)]
    mine, theirs = report.coverage.challenger, report.coverage.champion
    if theirs.value <= 0.0:
        return [Check(name, True, None, None, "not judged: the champion covers nothing")]
    ratio = mine.value / theirs.value
    # The standard error of a ratio (delta method), as if the two were independent: on the wide side.
    relative = [(part.high - part.low) / (2.0 * NORMAL * part.value) for part in (mine, theirs) if part.value]
    margin = NORMAL * ratio * hypot(*relative)
    detail = (
        f"{mine.value:.4f} of the catalogue, the champion {theirs.value:.4f}; ratio "
        f"[{ratio - margin:.2f}, {ratio + margin:.2f}] over {users} users"
    )
    return [Check(name, ratio + margin >= limit, ratio, limit, detail)]


def _cold(report: ChallengerReport, limits: GateParams) -> Check:
    """Refused when shown to be worse by more than the floor: the whole interval lies below it.

    A mean of few users falls below it by chance. Lists for users without history are the same for all, so
    what breaks them breaks all of them, and that shows in the interval with thirty users.
    """
    found, limit = report.cold, limits.min_cold_difference
    if found is None:
        return Check("cold start", True, None, None, "not judged: no champion to compare with")
    if found.users < limits.least_test_users:
        detail = f"not judged: {found.users} users without history, fewer than {limits.least_test_users}"
        return Check("cold start", True, None, None, detail)
    return Check("cold start", found.high >= limit, found.difference, limit, _describe(found))


def _recall(report: ChallengerReport, limits: GateParams) -> Check:
    if report.index_recall is None:
        return Check("index recall", True, None, None, "not judged: no vectors")
    passed = report.index_recall >= limits.min_index_recall
    detail = "share of the exact 10 nearest neighbours found"
    return Check("index recall", passed, report.index_recall, limits.min_index_recall, detail)


def _smoke(report: ChallengerReport, limits: GateParams) -> Check:
    if report.smoke_errors:
        return Check(SMOKE_TEST, False, None, None, "; ".join(report.smoke_errors))
    passed = report.smoke_p95_ms <= limits.max_smoke_ms
    return Check(SMOKE_TEST, passed, report.smoke_p95_ms, limits.max_smoke_ms, "95th percentile per list, ms")


def _describe(c: Comparison) -> str:
    return (
        f"{c.challenger} minus {c.other} in {c.metric}: {difference(c.difference, c.low, c.high)} "
        f"over {c.users} users"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
