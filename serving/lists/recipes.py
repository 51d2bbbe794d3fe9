"""The recipe of every list: what may be in it, what speaks for an item, what has the last word.

    filters → sources → scorer → rerankers → selection → labels and reasons

The weights that a scorer uses are in params.yaml; docs/ranking.md tells the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serving.steps.context import Context
from serving.steps.filters import Filter, in_category, not_itself, unseen
from serving.steps.reasons import Labels, labels, wording
from serving.steps.reasons.labels import Always
from serving.steps.rerankers import Reranker
from serving.steps.rerankers.dislikes import penalise_disliked
from serving.steps.rerankers.diversity import diversify, diversify_if_asked
from serving.steps.scorers import Scorer
from serving.steps.scorers.blend import home_blend
from serving.steps.scorers.cold_start import cold_start_score, hybrid_score
from serving.steps.scorers.new_item import text_and_price
from serving.steps.scorers.search import listing, search_score, sorted_search
from serving.steps.scorers.single import Single
from serving.steps.selection import Eligible
from serving.steps.sources import Source, baskets, embeddings, models, popularity, similar, words
from serving.steps.table import Table
from serving.steps.variety import daily_sample, variety
from serving.types import Reason


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one list is made."""

    name: str
    """What the list is called where it is logged and counted."""
    sources: tuple[Source, ...]
    scorer: Scorer
    labels: Labels
    """What put each item into the list: its `model`."""
    reasons: Callable[[Context, Table, Sequence[str]], list[Reason]]
    filters: tuple[Filter, ...] = ()
    rerankers: tuple[Reranker, ...] = ()
    eligible: Eligible = "positive"
    """What an item needs to be in the list."""
    scores_everything: bool = False
    """Whether the scorer gives something to an item that no source speaks for, too: it comes last."""
    fallback: Recipe | None = None
    """What stands in for the list when nothing is found."""
    fallback_reason: str | None = None
    whole: bool = False
    """Whether every item that the filters let through is a candidate, however many there are: a list that is
    counted, cut into pages or put in another order."""
    fill: Recipe | None = None
    """What the list is filled up with when it is too short."""


TRENDING = Recipe(
    "home.trending",
    sources=(popularity.popularity,),
    scorer=Single("popularity"),
    labels=labels.of_popularity,
    reasons=wording.of_popularity,
    eligible="all",
)

BEST_VALUE = Recipe(
    "home.best_value",
    sources=(popularity.value,),
    scorer=Single("value"),
    labels=Always("best_value"),
    reasons=wording.of_value,
)

TOP_OF_CATEGORY = Recipe(
    "home.top_categories",
    filters=(in_category,),
    sources=(popularity.popularity,),
    scorer=Single("popularity"),
    labels=Always("top_categories"),
    reasons=wording.of_category,
    eligible="all",
)

PERSONALIZED = Recipe(
    "home.personalized",
    filters=(unseen,),
    sources=(
        models.learned_models,
        embeddings.near_history_by_weight,
        popularity.learned_popularity,
        words.past_searches,
        variety,
    ),
    scorer=home_blend,
    rerankers=(penalise_disliked, diversify),
    labels=labels.of_home,
    reasons=wording.of_user,
)

DIVERSE_PICKS = Recipe(
    "home.diverse_picks",
    filters=(unseen,),
    sources=(popularity.most_popular,),
    scorer=daily_sample,
    labels=Always("diverse"),
    reasons=wording.of_user,
)

POPULAR = Recipe(
    "popular",
    filters=(unseen,),
    sources=(popularity.popularity,),
    scorer=Single("popularity"),
    labels=labels.of_popularity,
    reasons=wording.of_popularity,
    eligible="all",
)

ALS = Recipe(
    "als",
    filters=(unseen,),
    sources=(models.als,),
    scorer=Single("als"),
    rerankers=(penalise_disliked,),
    labels=Always("als"),
    reasons=wording.of_user,
    fallback=POPULAR,
)

LIKE_A_BASKET = Recipe(
    "cart",
    filters=(unseen,),
    sources=(embeddings.near_history,),
    scorer=Single("embeddings"),
    labels=Always("embeddings"),
    reasons=wording.of_user,
    fallback=POPULAR,
    fill=POPULAR,
)

LIKED_WITH_A_BASKET = Recipe(
    "cart",
    filters=(unseen,),
    sources=(models.als,),
    scorer=Single("als"),
    labels=Always("als"),
    reasons=wording.of_user,
    fallback=LIKE_A_BASKET,
    fill=POPULAR,
)

CART = Recipe(
    "cart",
    filters=(unseen,),
    sources=(baskets.bought_together,),
    scorer=Single("fpgrowth"),
    labels=Always("fpgrowth"),
    reasons=wording.of_basket,
    fallback=LIKED_WITH_A_BASKET,
    fill=LIKED_WITH_A_BASKET,
)

COLD_START = Recipe(
    "hybrid",
    filters=(unseen,),
    sources=(models.nmf, embeddings.near_history_by_share, words.interests, popularity.popularity),
    scorer=cold_start_score,
    rerankers=(penalise_disliked, diversify),
    labels=labels.of_cold_start,
    reasons=wording.of_user,
    scores_everything=True,
)

HYBRID = Recipe(
    "hybrid",
    filters=(unseen,),
    sources=(models.nmf, embeddings.near_history_by_share),
    scorer=hybrid_score,
    rerankers=(penalise_disliked, diversify),
    labels=labels.of_hybrid,
    reasons=wording.of_hybrid,
    fallback=COLD_START,
)

NEAR_ITEM = Recipe(
    "near_item",
    filters=(not_itself,),
    sources=(embeddings.near_item,),
    scorer=Single("embeddings"),
    labels=Always("embeddings"),
    reasons=wording.of_meaning,
    eligible="scored",
)

SIMILAR_TITLES = Recipe(
    "product",
    filters=(not_itself,),
    sources=(similar.similar_titles,),
    scorer=Single("tfidf"),
    labels=Always("tfidf"),
    reasons=wording.of_titles,
    fill=NEAR_ITEM,
)

SAME_PEOPLE = Recipe(
    "same_people",
    filters=(not_itself,),
    sources=(similar.same_people,),
    scorer=Single("als"),
    labels=Always("als"),
    reasons=wording.of_people,
    eligible="scored",
)

SIMILAR_TO_NEW_ITEM = Recipe(
    "same_people",
    filters=(not_itself,),
    sources=(embeddings.similar_embeddings, similar.similar_titles, similar.near_price),
    scorer=text_and_price,
    labels=labels.of_new_item,
    reasons=wording.of_new_item,
)

NEAR_QUERY = Recipe(
    "near_query",
    sources=(embeddings.near_query,),
    scorer=Single("embeddings"),
    labels=Always("embeddings"),
    reasons=wording.of_meaning,
    eligible="scored",
)

SEARCH = Recipe(
    "search",
    sources=(words.words, words.meaning),
    scorer=search_score,
    labels=labels.of_search,
    reasons=wording.of_search,
    fallback=TRENDING,
    fallback_reason="no_search_matches",
)

POPULAR_ON_V1 = replace(POPULAR, name="recommend", rerankers=(diversify_if_asked,))

RECOMMEND = replace(
    PERSONALIZED,
    name="recommend",
    fallback=replace(COLD_START, name="recommend", fill=POPULAR_ON_V1),
    fill=POPULAR_ON_V1,
)

BASKET = replace(CART, name="recommend.items", rerankers=(diversify_if_asked,), fill=LIKED_WITH_A_BASKET)

RERANK = replace(RECOMMEND, name="rerank", rerankers=(penalise_disliked,))

BOUGHT_TOGETHER = Recipe(
    "similar.bought_together",
    filters=(not_itself,),
    sources=(baskets.bought_together,),
    scorer=Single("fpgrowth"),
    labels=Always("fpgrowth"),
    reasons=wording.of_basket,
)

LIKE_NOTHING_KNOWN = replace(POPULAR, name="similar.people", filters=(not_itself,))

SIMILAR_BY_PEOPLE = replace(
    SAME_PEOPLE,
    name="similar.people",
    fallback=replace(SIMILAR_TO_NEW_ITEM, name="similar.people", fallback=LIKE_NOTHING_KNOWN),
)

SIMILAR_BY_MEANING = replace(NEAR_ITEM, name="similar.meaning")

SIMILAR_BY_TITLE = replace(SIMILAR_TITLES, name="similar.title")

TRENDING_LIST = replace(TRENDING, name="trending")

TRENDING_HOURS = Recipe(
    "trending",
    sources=(popularity.trending_now,),
    scorer=Single("window"),
    labels=Always("trending"),
    reasons=wording.of_window,
)

SEARCH_PAGES = Recipe(
    "search.pages",
    sources=(words.words, words.meaning),
    scorer=sorted_search,
    labels=labels.of_search,
    reasons=wording.of_search,
    whole=True,
)

LISTING = Recipe(
    "search.listing",
    sources=(popularity.popularity,),
    scorer=listing,
    labels=Always("filter"),
    reasons=wording.of_listing,
    scores_everything=True,
    whole=True,
)
