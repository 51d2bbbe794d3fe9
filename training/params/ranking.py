"""Sections of params.yaml on how a shopper's lists are put together."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from training.models.blend import NEW_ITEMS
from training.models.core.base import Config
from training.models.registry import REGISTRY


class BlendParams(Config):
    """Section `blend`: how models' scores are combined."""

    clicked: float = Field(ge=0)
    search: float = Field(ge=0)
    diverse: float = Field(ge=0)
    embeddings: float = Field(ge=0)
    cf: float = Field(ge=0)
    cold_below: int = Field(ge=0)
    """Under this many interactions a user is cold."""
    stale_days: int = Field(ge=0)
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

    lexical: float = Field(ge=0)
    semantic: float = Field(ge=0)
    focus: float = Field(gt=0)
    """Power of the share of a query's words that an item has: above 1, few of them count little."""
    min_similarity: float = Field(ge=-1, le=1)
    """A cosine below this is no match."""
    candidates: int = Field(ge=1)
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

    history_events: int = Field(ge=1)
    candidates: int = Field(ge=1)
    recent_queries: int = Field(ge=0)
    query_decay: float = Field(ge=0, le=1)
    dislike_penalty: float = Field(ge=0)
    interest_share: float = Field(ge=0, le=1)
    relevance: float = Field(ge=0, le=1)
    value_prior_ratings: float = Field(ge=0)
    value_popularity: float = Field(ge=0, le=1)
    value_cheapness: float = Field(ge=0, le=1)
    """Saving of the cheapest item of its group, where no discount is known."""
    top_categories: int = Field(ge=1)
