"""What the gate decides from: a challenger's measured values, and the champion's beside them."""

from dataclasses import dataclass
from statistics import NormalDist

from training.evaluation.holdout import HoldoutFacts
from training.evaluation.intervals import Estimate, bonferroni
from training.params.operating import GateParams
from training.release.volume import Volume


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
    reference: float = 0.0
    """Mean of the other over these users."""


@dataclass(frozen=True)
class CoverageComparison:
    """Share of the catalogue in the lists of both, over the same test users, with 95 % intervals."""

    challenger: Estimate
    champion: Estimate
    users: int


@dataclass(frozen=True)
class Change:
    """How a champion differed from the one before it, relative to that one."""

    bundle_id: str
    relative: float
    error: float
    """Standard error of `relative`."""


@dataclass(frozen=True)
class ChallengerReport:
    """A challenger's figures, and the champion's beside them."""

    bundle_id: str
    champion_id: str | None
    """The bundle that serves; None for the first."""
    comparisons: tuple[Comparison, ...]
    """The blend and the judged models against their own counterparts in the champion, or the baseline."""
    coverage: CoverageComparison | None
    """Of the blend; None without a champion to compare with."""
    cold: Comparison | None
    """Lists for users whom no model knows, against the champion's; None without one."""
    index_recall: float | None
    """Recall@10 of the vector index against exact search; None without vectors."""
    size_mb: float
    smoke_p95_ms: float
    smoke_errors: tuple[str, ...]
    champion_error: str | None = None
    """Why the champion can't be evaluated (damaged, of another version): the baseline stands in."""
    incomparable: str | None = None
    """Why the champion can't be tested on tonight's holdout: the baseline stands in."""
    champion_measured: bool = False
    """Whether the champion had enough test users when it was judged itself."""
    lost: tuple[str, ...] | None = ()
    """What the snapshot lost since the champion's; None if it is not known what that held."""
    earlier: tuple[Change, ...] = ()
    """How the champion came about, newest first: the nights of `memory_days`."""
    holdout: HoldoutFacts | None = None
    volume: Volume | None = None


def standard_error(comparison: Comparison, limits: GateParams) -> float:
    """Of a comparison's difference, from its interval."""
    confidence = bonferroni(limits.confidence, len(limits.compared) + 1)
    return (comparison.high - comparison.low) / (2.0 * NormalDist().inv_cdf((1.0 + confidence) / 2.0))
