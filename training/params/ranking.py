"""Sections of params.yaml on how a shopper's lists are put together."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from training.models.blend import NEW_ITEMS
from training.models.core.base import Config
from training.models.registry import REGISTRY


class BlendParams(Config):
    """Section `blend`: how models' scores are combined."""

    clicked: float
    search: float
    diverse: float
    embeddings: float
    cf: float
    cold_below: int
    """Under this many interactions a user is cold."""
    stale_days: int
    weights: Literal["original", "tuned"]
    """How home weighs the models that speak for what a user clicked: equally, or by `tuned`."""
    tuned: dict[str, float]
    """Weight of each model in the blend that was learned on validation (`training.models.blend.combine`);
    `new_items` is what TF-IDF has on top on items that few users are known of."""

    def changed(self, changes: Mapping[str, Any]) -> "BlendParams":
        """The blend with some keys changed, as an experiment's arm asks; `tuned` is replaced as a whole.

        Raises ValueError when a key, a value or a model's name does not exist.
        """
        made = BlendParams.model_validate(self.model_dump() | dict(changes))
        if unknown := sorted(made.tuned.keys() - {*REGISTRY, NEW_ITEMS}):
            raise ValueError(f"tuned: unknown model {', '.join(unknown)}")
        return made


class FieldBoosts(Config):
    """How many times a word counts by the field it stands in."""

    title: float = Field(ge=0)
    tags: float = Field(ge=0)
    category: float = Field(ge=0)
    sub_category: float = Field(ge=0)
    description: float = Field(ge=0)


class SearchParams(Config):
    """Section `search`."""

    lexical: float
    semantic: float
    focus: float = Field(gt=0)
    """Power of the share of a query's words that an item has: above 1, few of them count little."""
    min_similarity: float
    """A cosine below this is no match."""
    candidates: int
    """Nearest vectors that are fused with the words' matches."""
    synonyms: str
    """Path of the synonyms file, relative to the checkout."""
    synonym_weight: float = Field(ge=0, le=1)
    """What a match by a synonym counts."""
    typo_weight: float = Field(ge=0, le=1)
    """What a match by a guessed word counts."""
    bm25_k1: float = Field(ge=0)
    bm25_b: float = Field(ge=0, le=1)
    boosts: FieldBoosts


class RankingParams(Config):
    """Section `ranking`: the service's reordering of the blend."""

    history_events: int
    candidates: int
    recent_queries: int
    query_decay: float
    dislike_penalty: float
    interest_share: float
    relevance: float
    value_prior_ratings: float
    value_popularity: float
    value_cheapness: float = Field(ge=0, le=1)
    """Saving of the cheapest item of its group, where no discount is known."""
    top_categories: int
