"""Whether a bundle may serve: pure checks of measured values against the thresholds in params.yaml.

The first bundle is compared with the popularity baseline, later ones with the champion on the
same holdout. A check that cannot be made (too few test users) is said so and does not refuse.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.markdown import difference, table
from training.models.blend import BLEND
from training.params.operating import GateParams


@dataclass(frozen=True)
class Comparison:
    """A metric of two rankers over the same users: mean difference, and its bootstrap interval."""

    challenger: str
    other: str
    metric: str
    difference: float
    low: float
    high: float
    users: int


@dataclass(frozen=True)
class ChallengerReport:
    """A challenger's figures, and the champion's beside them."""

    bundle_id: str
    champion_id: str | None
    """The bundle that serves; None for the first."""
    comparisons: tuple[Comparison, ...]
    """Judged models against the baseline (first bundle) or their own counterpart in the champion."""
    coverage: Mapping[str, tuple[float, float]]
    """model → (challenger, champion) catalogue coverage in [0, 1]; empty for the first bundle."""
    cold: Comparison | None
    """Lists for users whom no model knows, against the champion's; None for the first bundle."""
    index_recall: float | None
    """Recall@10 of the vector index against exact search; None without vectors."""
    size_mb: float
    smoke_p95_ms: float
    smoke_errors: tuple[str, ...]
    champion_error: str | None = None
    """Why the champion can't be evaluated (damaged, of another version): the baseline stands in."""


@dataclass(frozen=True)
class Check:
    """One rule: what was measured, the limit, and whether it holds."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str


@dataclass(frozen=True)
class Decision:
    """Accepted or rejected, with the checks behind it."""

    bundle_id: str
    champion_id: str | None
    accepted: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was rejected; empty when it was accepted."""
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
        return f"Bundle {self.bundle_id} is {verdict} against {against}.\n\n{checks}"


def decide(report: ChallengerReport, limits: GateParams) -> Decision:
    """Apply every rule; one that fails refuses the bundle."""
    comparable = report.champion_id is not None and report.champion_error is None
    accuracy = _against_champion if comparable else _against_baseline
    checks = (
        *_champion(report),
        *accuracy(report, limits),
        *_coverage(report, limits),
        _cold(report, limits),
        _recall(report, limits),
        Check("size", report.size_mb <= limits.max_size_mb, report.size_mb, limits.max_size_mb, "MB on disk"),
        _smoke(report, limits),
    )
    return Decision(report.bundle_id, report.champion_id, all(check.passed for check in checks), checks)


def _champion(report: ChallengerReport) -> list[Check]:
    """A champion that can't be evaluated can't serve either: it is named, and refuses nothing."""
    if report.champion_error is None:
        return []
    detail = f"can't be evaluated ({report.champion_error}); compared with the baseline instead"
    return [Check("champion", True, None, None, detail)]


def _against_baseline(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """The best judged model must beat the baseline by more than the limit.

    Its mean decides, though chance may have a part in it: nothing serves yet but what is popular, which the
    bundle shows to whom no model knows.
    """
    judged = [c for c in report.comparisons if c.users >= limits.min_test_users]
    name = "accuracy against the baseline"
    if not judged:
        return [Check(name, True, None, None, f"not judged: fewer than {limits.min_test_users} test users")]
    best = max(judged, key=lambda c: c.difference)
    passed = best.difference > limits.min_gain_over_baseline
    return [Check(name, passed, best.difference, limits.min_gain_over_baseline, _describe(best))]


def _against_champion(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """No judged model may be worse than its counterpart by more than the floor.

    The blend is what users see: its mean decides. It is also refused when it is shown to be worse (the
    whole interval lies below zero) and may be so by more than the floor, so that nights of small losses do
    not add up. A single model's start is random and its luck is not in the interval, so it is refused only
    when both say so: the mean lies below the floor, and the whole interval below zero.
    """
    checks = []
    floor = limits.min_ndcg_difference
    for comparison in report.comparisons:
        name = f"accuracy of {comparison.challenger}"
        if comparison.users < limits.min_test_users:
            detail = f"not judged: {comparison.users} test users, fewer than {limits.min_test_users}"
            checks.append(Check(name, True, None, None, detail))
        else:
            below, significantly_worse = comparison.difference < floor, comparison.high < 0.0
            if comparison.challenger == BLEND:
                passed = not below and not (significantly_worse and comparison.low < floor)
            else:
                passed = not (below and significantly_worse)
            checks.append(Check(name, passed, comparison.difference, floor, _describe(comparison)))
    return checks


def _coverage(report: ChallengerReport, limits: GateParams) -> list[Check]:
    """Lists must not narrow down to fewer items than the champion's, by more than the ratio."""
    checks = []
    for model, (mine, theirs) in report.coverage.items():
        ratio = mine / theirs if theirs > 0 else 1.0
        detail = f"{mine:.4f} of the catalogue, the champion {theirs:.4f}"
        checks.append(
            Check(
                f"coverage of {model}",
                ratio >= limits.min_coverage_ratio,
                ratio,
                limits.min_coverage_ratio,
                detail,
            )
        )
    return checks


def _cold(report: ChallengerReport, limits: GateParams) -> Check:
    """Refused when shown to be worse by more than the floor: the whole interval lies below it.

    A mean of few users falls below it by chance. Lists for users without history are the same for all, so
    what breaks them breaks all of them, and that shows in the interval with thirty users.
    """
    found, limit = report.cold, limits.min_cold_difference
    if found is None:
        return Check("cold start", True, None, None, "not judged: no champion to compare with")
    if found.users < limits.min_test_users:
        detail = f"not judged: {found.users} users without history, fewer than {limits.min_test_users}"
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
        return Check("smoke test", False, None, None, "; ".join(report.smoke_errors))
    passed = report.smoke_p95_ms <= limits.max_smoke_ms
    return Check(
        "smoke test", passed, report.smoke_p95_ms, limits.max_smoke_ms, "95th percentile per list, ms"
    )


def _describe(c: Comparison) -> str:
    return (
        f"{c.challenger} minus {c.other} in {c.metric}: {difference(c.difference, c.low, c.high)} "
        f"over {c.users} users"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
