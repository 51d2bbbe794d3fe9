"""Every list as docs/ranking.md tells it, in slow and plain loops over items, to compare the service's with.

A `Plain` says what each item's score is, before anything is reordered. `agree` and `agree_reordered` compare
a list that the service made with it: floats of another width may settle a near tie another way, no more.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from serving.catalogue.catalogue import identity_of
from serving.lists.executor import FALLBACK_MODELS, MadeList
from serving.steps.context import Context
from serving.steps.table import Column
from serving.steps.variety import day_seed, random_keys
from serving.text.terms import fold, phrase, terms, words
from serving.types import Item
from tests.worlds.shop import NOW, Vector
from tests.worlds.world import World
from training.models.core.base import Query
from training.models.core.rounding import STORED, rounding_bound

Scores = dict[str, float]
NEAR = 2e-4
"""How far float32 may stand from float64, as a share of the best score."""


@dataclass(frozen=True, eq=False)
class Plain:
    """One list that is asked for, in a world."""

    world: World
    ask: Context

    @cached_property
    def items(self) -> dict[str, Item]:
        return self.world.items

    @cached_property
    def weights(self) -> Scores:
        """Of the liked items."""
        history = self.ask.history
        pairs = zip(history.liked.tolist(), history.weights.tolist(), strict=True)
        return {self.world.item_id(row): weight for row, weight in pairs}

    def ids(self, rows: Iterable[int]) -> list[str]:
        return [self.world.item_id(row) for row in rows]

    # What may be shown

    def listed(self) -> list[str]:
        """Live items of the kinds that may be in lists: with a title, if any of these kinds has one."""
        kinds = self.ask.kinds
        live = [item for item in self.items.values() if kinds is None or item.kind in kinds]
        titled = [item for item in live if item.title] or live
        return [item.item_id for item in titled if self._may_be_shown(item)]

    def _may_be_shown(self, item: Item) -> bool:
        published = item.publish_at is None or item.publish_at <= NOW
        expired = item.expire_at is not None and item.expire_at <= NOW
        return not item.hidden and item.available and published and not expired

    def allowed(self, *, unseen: bool = False, itself: bool = True) -> list[str]:
        seen = set(self.ids(self.ask.history.seen.tolist())) if unseen and self.ask.hide_seen else set()
        out = seen | set(self.ids(self.ask.exclude.tolist()))
        if not itself:
            out.add(self.world.item_id(self.ask.item))
        permitted = self.ask.permitted
        return [
            item_id
            for item_id in self.listed()
            if item_id not in out and (permitted is None or permitted[self.world.row(item_id)])
        ]

    # What the sources say

    def model(self, name: str, without: Iterable[str] = ()) -> Scores:
        """A model of the bundle asked with what it knows of the history, less some of its items."""
        placed, left_out = self.world.placed, set(without)
        if placed is None:
            return {}
        vocabulary, model = placed.bundle.items, placed.bundle.models[name]
        known = {
            index: weight
            for item_id, weight in self.weights.items()
            if (index := vocabulary.index(item_id)) >= 0 and item_id not in left_out
        }
        if not known:
            return {}
        query = Query(np.array(list(known), np.int32), np.array(list(known.values()), np.float32))
        return dict(zip(placed.loaded.item_ids(), model.scores(query).tolist(), strict=True))

    def learned_popularity(self) -> Scores:
        placed = self.world.placed
        if placed is None:
            return {}
        return dict(
            zip(placed.loaded.item_ids(), placed.models.popularity.scores(Query()).tolist(), strict=True)
        )

    def changed(self, item_id: str) -> bool:
        """Whether an item was created or edited since the bundle was trained."""
        placed = self.world.placed
        if placed is None or placed.bundle.items.index(item_id) < 0:
            return True
        return self.world.index.catalogue.changed_at(item_id) > placed.watermark

    def to_history(self) -> Scores:
        """Cosines, above 0, to the mean of the liked items' vectors, weighted by log(1 + weight)."""
        liked = [
            (self.world.vectors[each], math.log1p(w))
            for each, w in self.weights.items()
            if each in self.world.vectors
        ]
        if not liked:
            return {}
        return self.near(np.sum([weight * vector.astype(float) for vector, weight in liked], axis=0))

    def near(self, vector: Vector | None, *, negative: bool = False) -> Scores:
        """Cosines to a vector of the live items that have one; what rounding alone may be is none."""
        if vector is None or not np.linalg.norm(vector):
            return {}
        unit = vector.astype(float) / np.linalg.norm(vector)
        cosines = {each: float(other.astype(float) @ unit) for each, other in self.world.vectors.items()}
        least = rounding_bound(len(unit) + STORED)
        known = {each: value for each, value in cosines.items() if abs(value) > least}
        return {each: value for each, value in known.items() if value > 0 or negative}

    @cached_property
    def popular(self) -> Scores:
        """Trending, then a hundredth of the bundle's popularity, then log(1 + ratings) / 10,000: best 1."""
        ratings = {each: math.log1p(item.rating_count or 0) for each, item in self.items.items()}
        trending = {
            each: max(score, 0.0)
            for each, (score, _) in self.world.trending.scores.items()
            if each in self.items
        }
        learned = self.learned_popularity()
        total = dict.fromkeys(self.items, 0.0)
        for weight, part in ((1.0, trending), (1e-2, learned), (1e-4, ratings)):
            most = max(part.values(), default=0.0) or 1.0
            for each in self.items:
                total[each] += weight * part.get(each, 0.0) / most
        most = max(total.values(), default=0.0) or 1.0
        return {each: value / most for each, value in total.items()}

    def group(self, item_id: str) -> object:
        """An item's category; else its strongest NMF factor; else its kind."""
        item, placed = self.items[item_id], self.world.placed
        if item.category:
            return item.category
        index = -1 if placed is None else placed.bundle.items.index(item_id)
        if placed is not None and index >= 0:
            factors = placed.models.nmf.item_factors[index]
            if factors.max() > 0:
                return ("taste", int(factors.argmax()))
        return ("kind", item.kind)

    def draw(self, pool: Sequence[str], shown: Iterable[str], count: int) -> Scores:
        """The `count` first of a draw without replacement, with its keys: u ^ (largest weight / weight)."""
        popularity, groups = self.popular, {each: self.group(each) for each in (*pool, *shown)}
        sizes, times = Counter(groups[each] for each in pool), Counter(groups[each] for each in shown)
        weights = {
            each: (popularity[each] + 0.05) / (1 + times[groups[each]]) / sizes[groups[each]] for each in pool
        }
        seed = day_seed(self.ask.user.user_id, self.ask.user.day)
        chances = random_keys(seed, np.array([identity_of(each) for each in pool], dtype=np.uint64)).tolist()
        most = max(weights.values(), default=1.0)
        keys = {each: chance ** (most / weights[each]) for each, chance in zip(pool, chances, strict=True)}
        return dict(sorted(keys.items(), key=lambda each: -each[1])[:count])

    def titles_like(self, asked: str, among: Callable[[str], bool]) -> Scores:
        """TF-IDF cosines of the titles and sub-categories that the catalogue has now."""
        named, holding = self._names
        lengths = {
            each: math.sqrt(sum(idf(len(named), holding[term]) ** 2 for term in found))
            for each, found in named.items()
        }
        cosines = {}
        for each, found in named.items():
            shared = sum(idf(len(named), holding[term]) ** 2 for term in named.get(asked, set()) & found)
            if shared and each != asked and among(each):
                cosines[each] = shared / (lengths[each] * lengths[asked])
        return cosines

    @cached_property
    def _names(self) -> tuple[dict[str, set[str]], Counter[str]]:
        """The terms of each item's title and sub-category, and how many items have each term."""
        named = {each: self._name_terms(item) for each, item in self.items.items()}
        named = {each: found for each, found in named.items() if found}
        return named, Counter(term for found in named.values() for term in found)

    def _name_terms(self, item: Item) -> set[str]:
        return set(map(fold, terms(item.title or "") + terms(item.sub_category or "")))

    def titles(self) -> Scores:
        """Of home: the bundle's neighbours of what has not changed, a comparison by title where it has."""
        liked = sorted(self.weights, key=lambda each: -self.weights[each])
        edited = [each for each in liked if self.changed(each)]
        found = {each: score for each, score in self.model("tfidf", edited).items() if not self.changed(each)}
        least = self.world.params.tfidf.min_similarity  # type: ignore[attr-defined]
        for own in liked[:20]:
            among = (lambda each: True) if self.changed(own) else self.changed
            for each, cosine in self.titles_like(own, among).items():
                if cosine >= least:
                    found[each] = found.get(each, 0.0) + cosine * math.log1p(self.weights[own])
        return found

    def word_scores(self, query: str) -> Scores:
        """Words: covered × (1 + BM25 / best BM25) / 2, for a query of known words without synonyms."""
        params, documents = self.ask.params.search, self.documents
        average = sum(sum(document.values()) for document in documents.values()) / len(documents)
        listed, asked = set(self.listed()), dict.fromkeys(phrase(query))
        rarity, bm25, covered = {}, dict.fromkeys(listed, 0.0), dict.fromkeys(listed, 0.0)
        for term in asked:
            holding = [each for each, document in documents.items() if term in document]
            rarity[term] = idf(len(documents), len(holding))
            for each in listed.intersection(holding):
                weight, size = documents[each][term], sum(documents[each].values())
                damped = weight + params.bm25_k1 * (1 - params.bm25_b + params.bm25_b * size / average)
                bm25[each] += rarity[term] * weight * (params.bm25_k1 + 1) / damped
                covered[each] += rarity[term]
        best = max(bm25.values(), default=0.0)
        found = {
            each: covered[each] / sum(rarity.values()) * (1 + bm25[each] / best) / 2
            for each in listed
            if bm25[each]
        }
        named = [each for each in found if words(self.items[each].title or "") == words(query)]
        return {
            each: 1.0 if each in named else score * (0.98 if named else 1.0) for each, score in found.items()
        }

    def knows(self, text: str) -> bool:
        """Whether listed items have every word of a text: others are guessed, which is not done here."""
        held = {term for each in self.listed() for term in self.documents.get(each, ())}
        return set(phrase(text)) <= held

    @cached_property
    def documents(self) -> dict[str, dict[str, float]]:
        """The words of each item, with the boosts of the fields that they stand in."""
        documents: dict[str, dict[str, float]] = {}
        for each, item in self.items.items():
            document: dict[str, float] = {}
            for name, boost in self.ask.params.search.boosts:
                text = " ".join(item.tags) if name == "tags" else getattr(item, name) or ""
                for term in terms(text):
                    document[term] = document.get(term, 0.0) + boost
            if document:
                documents[each] = document
        return documents

    def search(self, query: str, vector: Vector | None, allowed: Sequence[str], count: int = 0) -> Scores:
        """lexical × words ^ focus + semantic × cosine / best cosine, of cosines from min_similarity on."""
        params = self.ask.params.search
        worded = {
            each: params.lexical * score**params.focus for each, score in self.word_scores(query).items()
        }
        near = only(self.near(vector), allowed)
        meant = {
            each: near[each]
            for each in best(near, max(params.candidates, count))
            if near[each] >= params.min_similarity
        }
        return total([worded, scaled(meant, params.semantic)])

    # The lists

    def personalized(self) -> Scores:
        """The blend of home."""
        shares, allowed = self.ask.params.blend, self.allowed(unseen=True)
        blended = self.blend(self._home_columns(), self.ask.weights)
        least = min((blended.get(each, 0.0) for each in allowed), default=0.0)
        clicked = {each: blended.get(each, 0.0) - least for each in allowed} if blended else {}
        largest = max((abs(blended.get(each, 0.0)) for each in allowed), default=0.0)
        clicked = {each: score for each, score in clicked.items() if score > 1e-5 * largest}
        searched: Scores = {}
        for age, (query, vector) in enumerate(self.ask.user.searches):
            for each, score in self.search(query, vector, allowed).items():
                searched[each] = max(
                    searched.get(each, 0.0), score * self.ask.params.ranking.query_decay**age
                )
        drawn = self.draw(allowed, self._live_seen(), self.ask.params.ranking.candidates)
        drawn = {each: shares.diverse * key for each, key in drawn.items()}
        spoken = total([scaled(clicked, shares.clicked), scaled(searched, shares.search)])
        if not any(spoken.get(each, 0.0) > 0 for each in allowed):
            return {}
        return only(total([spoken, drawn]), allowed)

    def _live_seen(self) -> list[str]:
        return self.ids(self.ask.history.seen.tolist())

    def _home_columns(self) -> dict[str, Scores]:
        """Of the models that weigh anything, by their names in params.yaml."""
        asked = {name for name, weight in self.ask.weights.items() if weight}
        asked = {"tfidf" if name == "new_items" else name for name in asked} - {
            "embeddings",
            "popularity",
            "tfidf",
        }
        found = {name: self.model(name) for name in asked}
        if self.ask.weights.get("embeddings"):
            found["embeddings"] = self.to_history()
        if self.ask.weights.get("tfidf") or self.ask.weights.get("new_items"):
            found["tfidf"] = self.titles()
        if self.ask.weights.get("popularity") and any(any(column.values()) for column in found.values()):
            found["popularity"] = self.learned_popularity()
        return found

    def blend(self, columns: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores:
        """Σ weight × score / standard deviation over all live items."""
        found: list[Scores] = []
        for name, column in columns.items():
            values = [column.get(each, 0.0) for each in self.items]
            spread = float(np.std(values)) or 1.0
            found.append(
                {
                    each: self._weight(name, each, weights) * column.get(each, 0.0) / spread
                    for each in self.items
                }
            )
        return total(found) if any(any(part.values()) for part in found) else {}

    def _weight(self, name: str, item_id: str, weights: Mapping[str, float]) -> float:
        own = weights.get(name, 0.0)
        placed = self.world.placed
        if name != "tfidf":
            return own
        index = -1 if placed is None else placed.bundle.items.index(item_id)
        few = index < 0 or (placed is not None and placed.models.popularity.all_time[index] < 5)
        return own + (weights.get("new_items", 0.0) if few else 0.0)

    def diverse_picks(self) -> Scores:
        """A draw from the 5 × candidates most popular items that leaves out what is seen or shown beside."""
        popularity = only(self.popular, self.listed())
        pool = best(popularity, 5 * self.ask.params.ranking.candidates)
        may = set(self.allowed(unseen=True))
        beside = [*self._live_seen(), *self.ids(self.ask.exclude.tolist())]
        return self.draw([each for each in pool if each in may], beside, self.ask.n)

    def best_value(self) -> Scores:
        """quality × (1 + saving) of the items that have a price."""
        params, popularity = self.ask.params.ranking, self.popular
        rated = [
            (item.rating, max(item.rating_count or 0, 1))
            for item in self.items.values()
            if item.rating is not None
        ]
        mean = sum(stars * n for stars, n in rated) / sum(n for _, n in rated) if rated else 3.0
        peers: dict[object, list[float]] = {}
        for item in self.items.values():
            if item.price:
                peers.setdefault(item.category or ("kind", item.kind), []).append(item.price)
        found = {}
        for each, item in self.items.items():
            if not item.price:
                continue
            n = 0 if item.rating is None else max(item.rating_count or 0, 1)
            stars = (params.value_prior_ratings * mean + n * (item.rating or 0.0)) / (
                params.value_prior_ratings + n
            )
            own = peers[item.category or ("kind", item.kind)]
            share = percentile(popularity[each], list(popularity.values()))
            quality = (1 - params.value_popularity) * stars / 5 + params.value_popularity * share
            saving = item.discount_ratio
            if saving is None:
                saving = params.value_cheapness * (1 - percentile(item.price, own))
            found[each] = quality * (1 + saving)
        return only(found, self.allowed())

    def top_categories(self) -> list[str]:
        """The names of the categories with the largest sums of trending scores, of more items at ties."""
        trending = {each: max(score, 0.0) for each, (score, _) in self.world.trending.scores.items()}
        sums: dict[str, tuple[float, int]] = {}
        for each in self.listed():
            if category := self.items[each].category:
                score, count = sums.get(category, (0.0, 0))
                sums[category] = (score + trending.get(each, 0.0), count + 1)
        order = sorted(sums, key=lambda name: (-round(sums[name][0], 6), -sums[name][1], name))
        return order[: self.ask.params.ranking.top_categories]

    def als(self) -> Scores:
        """ALS with the history folded in; of a user whose history says nothing, the trained factors."""
        placed = self.world.placed
        found = self.model("als")
        if not found and placed is not None and self.ask.user.trained >= 0:
            model = placed.models.als
            vector = model.user_factors[model.user_rows[self.ask.user.trained]]
            found = dict(zip(placed.loaded.item_ids(), (model.item_factors @ vector).tolist(), strict=True))
        return {each: score for each, score in only(found, self.allowed(unseen=True)).items() if score > 0}

    def hybrid(self) -> Scores:
        """NMF and nearness in meaning."""
        shares = self.ask.shares
        columns = {"cf": self.model("nmf"), "embeddings": self.to_history()}
        used = {name: column for name, column in columns.items() if shares.get(name)}
        return scaled(self.blend(used, shares))

    def cold(self) -> Scores:
        """Interests and popularity, and the hybrid by the share that few events have."""
        params = self.ask.params
        interest: Scores = {}
        for text, vector in self.ask.user.interests:
            worded = {each: 0.5 * score for each, score in self.word_scores(text).items()}
            near = {each: 0.5 * cosine for each, cosine in self.near(vector).items()}
            for each, score in total([worded, near]).items():
                interest[each] = max(interest.get(each, 0.0), score)
        share = params.ranking.interest_share if any(interest.values()) else 0.0
        popular = {each: score + 1e-6 for each, score in self.popular.items()}  # what nobody knows comes last
        cold = total([scaled(interest, share), scaled(popular, 1 - share)])
        hybrid = self.hybrid()
        warmth = min(self.ask.history.events / params.blend.cold_below, 1.0) if any(hybrid.values()) else 0.0
        parts = [weighted(hybrid, warmth), weighted(cold, 1 - warmth)]
        return only(total(parts), self.allowed(unseen=True))

    def bought_with(self) -> Scores:
        """Of rules with a lift from 1.2 on: confidence × lift ^ power of those from one item of the cart;
        of those from two, what the better one of their items alone does not tell."""
        placed = self.world.placed
        if placed is None:
            return {}
        rules, ids = placed.models.fpgrowth, placed.loaded.item_ids()
        power = float(rules.scalars["lift_power"])
        found: Scores = {}
        for first, item_id in enumerate(ids):
            if item_id not in self.weights:
                continue
            for place in range(rules.indptr[first], rules.indptr[first + 1]):
                if rules.lift[place] >= 1.2:
                    other, told = ids[rules.indices[place]], rules.data[place]
                    found[other] = found.get(other, 0.0) + float(told * rules.lift[place] ** power)
        more = rules.larger
        for place, (one, two) in enumerate(more.antecedents.tolist()):
            if ids[one] in self.weights and ids[two] in self.weights and more.lift[place] >= 1.2:
                other, told = ids[more.consequents[place]], more.confidence[place] - more.shorter[place]
                found[other] = found.get(other, 0.0) + float(told * more.lift[place] ** power)
        return only(found, self.allowed(unseen=True))

    def cart(self) -> list[tuple[Scores, str]]:
        """What a cart's list is filled up from, in turn, and what an item of each needs."""
        rules, people = self.bought_with(), self.als()
        near = only(self.to_history(), self.allowed(unseen=True))
        shown = best(rules, self.ask.n)
        meant = people if set(people) - set(shown) else near
        return [(rules, "positive"), (meant, "positive"), (self.popular_unseen(), "all")]

    def popular_unseen(self) -> Scores:
        return only(self.popular, self.allowed(unseen=True))

    def similar_titles(self) -> Scores:
        """The bundle's neighbours that have not changed, and live comparisons with those that have."""
        asked, placed = self.world.item_id(self.ask.item), self.world.placed
        if placed is None or self.changed(asked):
            return only(self.titles_like(asked, lambda each: True), self.allowed(itself=False))
        indexes, cosines = placed.models.tfidf.row(placed.bundle.items.index(asked))
        known = dict(zip(placed.bundle.items.decode(indexes), np.asarray(cosines).tolist(), strict=True))
        known = {each: cosine for each, cosine in known.items() if not self.changed(each)}
        return only(known | self.titles_like(asked, self.changed), self.allowed(itself=False))

    def same_people(self) -> Scores:
        """The cosine of ALS factors times n / (n + 5)."""
        asked, placed = self.world.item_id(self.ask.item), self.world.placed
        index = -1 if placed is None else placed.bundle.items.index(asked)
        if placed is None or index < 0:
            return {}
        factors, users = placed.models.als.item_factors.astype(float), placed.models.popularity.all_time
        lengths = np.linalg.norm(factors, axis=1)
        found = {}
        for other, item_id in enumerate(placed.loaded.item_ids()):
            if other != index and lengths[other] and lengths[index]:
                cosine = float(factors[other] @ factors[index] / lengths[other] / lengths[index])
                found[item_id] = cosine * users[other] / (users[other] + 5)
        return only(found, self.allowed(itself=False))

    def like_new_item(self) -> Scores:
        """The better of meaning and title, and a tenth of the price; the price alone without any text."""
        asked = self.items[self.world.item_id(self.ask.item)]
        meaning = self.near(self.world.vectors.get(asked.item_id))
        titles = total([self.similar_titles()])
        text = {each: max(meaning.get(each, 0.0), titles.get(each, 0.0)) for each in self.items}
        price = {
            each: min(item.price, asked.price) / max(item.price, asked.price)
            for each, item in self.items.items()
            if item.price and asked.price and item.kind == asked.kind
        }
        if not any(text.values()):
            return only(price, self.allowed(itself=False))
        found = {each: 0.9 * score + 0.1 * price.get(each, 0.0) for each, score in text.items() if score > 0}
        return only(found, self.allowed(itself=False))


def idf(documents: int, holding: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5))."""
    return math.log1p((documents - holding + 0.5) / (holding + 0.5))


def percentile(value: float, among: Sequence[float]) -> float:
    """Where a value stands among some, itself one of them: 0..1, equals in their middle, one alone at 0.5."""
    if len(among) < 2:
        return 0.5
    below, equal = sum(each < value for each in among), sum(each == value for each in among)
    return (below + (equal - 1) / 2) / (len(among) - 1)


def total(parts: Iterable[Scores]) -> Scores:
    found: Scores = {}
    for part in parts:
        for each, score in part.items():
            found[each] = found.get(each, 0.0) + score
    return found


def weighted(scores: Scores, weight: float) -> Scores:
    return {each: weight * score for each, score in scores.items()}


def scaled(scores: Scores, weight: float = 1.0) -> Scores:
    """As shares of the best, none below 0, times a weight."""
    most = max(scores.values(), default=0.0)
    return {each: weight * max(score, 0.0) / most for each, score in scores.items()} if most > 0 else {}


def only(scores: Scores, allowed: Iterable[str]) -> Scores:
    return {each: scores[each] for each in allowed if each in scores}


def best(scores: Scores, count: int) -> list[str]:
    """The `count` best; of equals those of the lower hash."""
    return sorted(scores, key=lambda each: (-scores[each], identity_of(each)))[:count]


def agree(made: MadeList, wanted: Scores, n: int, *, worthy: str = "positive") -> None:
    """A list is the n best of what is wanted, in their order, with their scores; equals by their hash.

    `worthy` says what an item needs: a score above 0 ("positive"), any but 0 ("scored"), or nothing ("all").
    """
    size = max((abs(score) for score in wanted.values()), default=0.0)
    near = NEAR * size
    some = {
        each: score
        for each, score in wanted.items()
        if worthy == "all" or score > near or (worthy == "scored" and score)
    }
    doubtful = sum(abs(score) <= near for score in wanted.values()) if worthy != "all" else 0
    shown = [item.item.item_id for item in made.items]
    assert len(set(shown)) == len(shown) and set(shown) <= set(wanted)
    assert min(n, len(some)) <= len(shown) <= min(n, len(some) + doubtful)
    for item in made.items:
        assert abs(item.score - wanted[item.item.item_id]) <= near, item
    for one, other in zip(made.items, made.items[1:], strict=False):
        assert (-one.score, identity_of(one.item.item_id)) < (-other.score, identity_of(other.item.item_id))
    left_out = [score for each, score in some.items() if each not in shown]
    if left_out and shown:
        assert max(left_out) <= wanted[shown[-1]] + near


def agree_in_turn(made: MadeList, parts: Sequence[tuple[Scores, str]], n: int) -> None:
    """A list is the best of the first part, filled up with those of the next that are not in it yet."""
    taken: list[str] = []
    for number, (wanted, worthy) in enumerate(parts):
        rest = {each: score for each, score in wanted.items() if each not in taken}
        last = number == len(parts) - 1
        own = [each for each in made.items[len(taken) :] if last or each.model not in FALLBACK_MODELS]
        own = own if last else own[: sum(score > 0 for score in rest.values())]
        agree(replace(made, items=own), rest, n - len(taken), worthy=worthy)
        taken += [each.item.item_id for each in own]
    assert len(made.items) == len(taken)


def agree_reordered(plain: Plain, made: MadeList, wanted: Scores, *, spread: bool) -> None:
    """A list is one that dislikes and, if `spread`, maximal marginal relevance make of what is wanted.

    Each item of the list has to be a best choice at its place, given those above it.
    """
    params, n = plain.ask.params.ranking, plain.ask.n
    wanted = {each: score for each, score in wanted.items() if score > 0}
    near = NEAR * max(wanted.values(), default=0.0)
    pool = best(wanted, max(params.candidates, 2 * n))
    last = min((wanted[each] for each in pool), default=0.0)
    maybe = {each: pushed(plain, wanted, each) for each, score in wanted.items() if score >= last - near}
    every = len(pool) == len(maybe)
    sure = {each for each in pool if wanted[each] > (near if every else last + near)}
    shown = [item.item.item_id for item in made.items]
    assert len(set(shown)) == len(shown) and set(shown) <= set(maybe)
    assert len(shown) == min(n, len(pool)) or abs(len(shown) - len(pool)) <= sum(
        v <= near for v in wanted.values()
    )
    top = max((maybe[each] for each in pool), default=0.0)
    relevance = params.relevance if plain.ask.diversity is None else 1 - plain.ask.diversity
    relevance = relevance if spread else 1.0
    doubt = 2 * NEAR + 2 * near / max(top, 1e-12)  # a pushed best item makes all shares of it less exact
    taken: list[str] = []
    for item in made.items:
        assert abs(item.score - maybe[item.item.item_id]) <= near, (item, maybe[item.item.item_id])

        def marginal(each: str) -> float:
            close = max((cosine(plain, each, other) for other in taken), default=0.0)
            return relevance * maybe[each] / max(top, 1e-12) - (1 - relevance) * max(close, 0.0)

        own = marginal(item.item.item_id)
        better = {each for each in sure if marginal(each) > own + doubt} - {*taken, item.item.item_id}
        assert not better, (item, better)
        taken.append(item.item.item_id)


def pushed(plain: Plain, wanted: Scores, item_id: str) -> float:
    """score - penalty × best × max(0, cosine to the nearest disliked item)²."""
    disliked = plain.ids(plain.ask.history.disliked.tolist())
    close = max((cosine(plain, item_id, other) for other in disliked), default=0.0)
    penalty = plain.ask.params.ranking.dislike_penalty * max(wanted.values()) * max(close, 0.0) ** 2
    return wanted[item_id] - penalty


def cosine(plain: Plain, one: str, other: str) -> float:
    vectors = plain.world.vectors
    if one not in vectors or other not in vectors:
        return 0.0
    return float(vectors[one].astype(float) @ vectors[other].astype(float))


def said(made: World, column: Column) -> Scores:
    """What a source's column says of the live items, by their ids; 0 is left out."""
    values = column.dense(made.index.catalogue.n_rows)
    live = np.flatnonzero(made.index.catalogue.column("alive") & (values != 0))
    return {made.item_id(row): float(values[row]) for row in live.tolist()}


def alike(found: Scores, wanted: Scores) -> bool:
    """Whether both say the same, but for float32: what is as small as its rounding may be 0."""
    most = max(map(abs, wanted.values()), default=0.0)
    ids = found.keys() | wanted.keys()
    return all(abs(found.get(each, 0.0) - wanted.get(each, 0.0)) <= NEAR * max(most, 1e-9) for each in ids)
