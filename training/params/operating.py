"""Sections of params.yaml on what may serve, what is watched, and how long things are kept."""

from pydantic import Field

from database.holdback import HoldbackPlan
from training.models.blend import BLEND
from training.models.core.base import Config


class DataCheckParams(Config):
    """Section `data_checks`: how much may be odd before it means that something is broken.

    Shares of left-out rows are of the interactions with an item in the last days
    (`database.export.RECENT_DAYS`).
    """

    max_unknown_share: float = Field(default=0.2, ge=0, le=1)
    """With an item that the catalogue never had."""
    max_deleted_share: float = Field(default=0.5, ge=0, le=1)
    """With a deleted item."""
    min_rows: int = Field(default=100, ge=1)
    """Fewer left-out rows than this stop nothing."""
    max_odd_vectors: float = Field(default=0.01, ge=0, le=1)
    """Share of the item vectors whose length may differ from the others'."""
    min_day_share: float = Field(default=0.1, ge=0)
    """Share of a usual day's interactions that the newest day should have; less is a warning."""
    max_silent_days: float = Field(default=7.0, ge=0)
    """Days without interactions before the newest row of any table; more is a warning."""
    max_memory_share: float = Field(default=1.0, gt=0)
    """A training that needs more than this share of the free memory is refused before it begins; above 1,
    what is free need not be enough."""


METRICS = ("recall", "hit_rate", "ndcg", "map", "mrr")
"""What may be judged by: the keys of `training.evaluation.ranking.ACCURACY`."""


class GateParams(Config):
    """Section `gate`: what a bundle must reach before it may serve."""

    judged: tuple[str, ...] = Field(min_length=1)
    """Models whose accuracy counts; "blend", which is all of them together as users see them, always does."""
    baseline: str
    """What the first bundle is compared with."""
    metric: str
    """Metric of the comparisons, such as ndcg@10: one of METRICS at one of `evaluation.cutoffs`."""
    confidence: float = Field(gt=0, lt=1)
    """Of the comparisons of all judged models and of users without history together."""
    min_test_users: int = Field(ge=0)
    """Under this many test users accuracy and coverage are not judged."""
    min_gain_over_baseline: float
    """Where there is no champion to compare with: the blend's mean gain must be above this."""
    min_ndcg_difference: float
    """Floor of a judged model's difference to the champion's; the blend's is `max_relative_loss`."""
    max_relative_loss: float = Field(default=0.1, gt=0, le=1)
    """Largest loss of the blend as a share of the champion's metric, tonight and over the nights of
    `memory_days` together."""
    memory_days: float = Field(default=28, gt=0)
    """How long ago a champion may have come into service to be one that small losses are added up from."""
    min_coverage_ratio: float = Field(ge=0)
    """Rejected when the blend's coverage is shown to be below so many times the champion's."""
    min_cold_difference: float
    """Rejected when users without history are shown to be served worse by more."""
    max_volume_drop: float = Field(default=0.5, gt=0, le=1)
    """Largest share of the items, users, interactions, or interactions of a type that may be gone."""
    max_share_drop: float = Field(default=0.8, gt=0, le=1)
    """By how much of itself an event type's share of the interactions may fall."""
    min_index_recall: float = Field(ge=0, le=1)
    max_size_mb: float = Field(gt=0)
    max_smoke_ms: float = Field(gt=0)
    """P95 of one list from the loaded bundle."""
    smoke_queries: int = Field(ge=1)

    @property
    def compared(self) -> tuple[str, ...]:
        """The models whose accuracy is compared: the judged ones, and what serves first."""
        return tuple(dict.fromkeys((BLEND, *self.judged)))

    @property
    def least_test_users(self) -> int:
        """`min_test_users`, but one at least: of nobody there is nothing to judge by."""
        return max(1, self.min_test_users)


class MonitoringParams(Config):
    """Section `monitoring`: what drift, age and slowness are too much."""

    window_days: int = Field(ge=1)
    """The newest day and week are compared with so many days before them, rounded to whole weeks."""
    sample_rows: int = Field(ge=1)
    embedding_rows: int = Field(ge=2)
    min_rows: int = Field(ge=2)
    significance: float = Field(gt=0, lt=1)
    cooldown_hours: float = Field(ge=0)
    category_psi: float = Field(gt=0)
    price_ks: float = Field(gt=0)
    text_length_ks: float = Field(gt=0)
    day_change: float = Field(default=0.3, gt=0)
    """By how much of what is expected an event type's number may differ on a day."""
    event_mix_psi: float = Field(gt=0)
    popularity_psi: float = Field(gt=0)
    activity_ks: float = Field(gt=0)
    embedding_mean_shift: float = Field(gt=0)
    embedding_mmd: float = Field(gt=0)
    max_bundle_age_hours: float = Field(gt=0)
    max_trending_age_hours: float = Field(gt=0)
    max_probe_ms: float = Field(gt=0)
    report_days: int = Field(ge=1)
    training_deadline_hours: float = Field(default=4.0, gt=0, le=168)
    """A nightly training that is not over so long after it was queued is told of."""
    hourly_deadline_minutes: float = Field(default=30.0, gt=0, le=10_080)
    """The same for the hourly runs."""

    @property
    def earlier_weeks(self) -> int:
        """Weeks that the newest week is compared with."""
        return max(1, round(self.window_days / 7))


class GuardParams(Config):
    """Section `guard`: when a bundle's click rate takes it out of service."""

    window_days: int = Field(ge=1, le=7)
    """Not above 7: the same days a week earlier must lie before the bundle's first."""
    weeks: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    effect_scale: float = Field(gt=0)
    """On the scale of the logarithm of a ratio of rates."""
    day_spread: float = Field(ge=0)
    unmatched_spread: float = Field(ge=0)
    min_users: int = Field(ge=2)
    min_relative_drop: float = Field(ge=0, lt=1)
    cooldown_hours: float = Field(ge=0)
    holdback_share: float = Field(default=0.1, ge=0, le=0.5)
    """Part of the users who keep the previous bundle for a while after a promotion; 0 is none."""
    holdback_days: float = Field(default=2, gt=0, le=7)

    def holdback(self) -> HoldbackPlan:
        """Whom a promotion keeps on the previous bundle."""
        return HoldbackPlan(self.holdback_share, self.holdback_days, self.min_users)


class RetentionParams(Config):
    """Section `retention`: how long what no longer serves is kept."""

    bundles: int = Field(ge=1)
    snapshots_days: int = Field(ge=1)
    impressions_days: int = Field(ge=1)
    interactions_days: int | None = Field(ge=1)
    """None keeps every interaction."""
    logs_days: int = Field(ge=1)
    """Of Airflow's tasks."""
