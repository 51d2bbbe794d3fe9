"""Sections of params.yaml on what was shown and clicked: experiments, and the log of shown lists."""

from datetime import timedelta

from pydantic import Field

from database.online import POSITIONS, Attribution
from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, Outcome
from training.models.core.base import Config


class ExperimentsParams(Config):
    """Section `experiments`: what a click is, and how arms are judged."""

    click_events: tuple[str, ...] = Field(min_length=1)
    attribution_minutes: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    effect_scale: float = Field(gt=0)
    min_users: int = Field(ge=2)
    poll_seconds: float = Field(gt=0)
    exploration_pool: int = Field(ge=1)
    shadows_at_once: int = Field(ge=1)
    importance_clip: float = Field(ge=1)
    off_policy_slots: int = Field(ge=1)
    seen_positions: int = Field(default=POSITIONS, ge=1)
    """First items of a list that count as seen where the client does not tell."""
    outcome_scale: float = Field(default=0.1, gt=0)
    """Relative difference of an outcome (purchase rate, revenue) that the test detects fastest."""
    before_days: int = Field(default=28, ge=0)
    """Days before an experiment from which CUPED predicts the outcomes; 0 is none."""
    guardrails: tuple[Outcome, ...] = (PURCHASE_RATE, REVENUE, DISLIKES)
    """Outcomes that an arm must not make worse, however many clicks it wins."""
    ratio_alpha: float = Field(default=0.001, gt=0, lt=1)
    """Chance of a false alarm that the arms don't have their shares of the users."""

    def attribution(self) -> Attribution:
        """What a click is."""
        window = timedelta(minutes=self.attribution_minutes)
        return Attribution(self.click_events, window, self.seen_positions)


class ImpressionsParams(Config):
    """Section `impressions`: the log of shown lists in the service."""

    positions: int = Field(ge=1)
    """First items of a list that are logged."""
    queue_lists: int = Field(ge=1)
    batch_lists: int = Field(ge=1)
    flush_ms: float = Field(gt=0)
    unknown_share: float = Field(default=0.1, gt=0, le=1)
    """Part of the users without any event whose lists are logged; these count for the others too."""
    lists_per_minute: int = Field(default=600, ge=0)
    """Most lists a minute that a worker logs for one address without a key; 0 is no limit."""
