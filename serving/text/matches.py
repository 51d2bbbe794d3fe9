"""What the words of one query found: the score of every row, or of the best alone where these suffice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import distinct, top
from serving.text import postings
from serving.text.postings import Postings
from serving.text.synonyms import Phrase
from serving.types import Identities, Mask, Rows, Scores
from training.params.ranking import SearchParams

_NOT_THE_TITLE = np.float32(0.98)
"""What other items' scores are multiplied by when the query is the whole title of an item."""
_PART = 4
"""Where more than one of so many rows have a word, all are scored."""
_SHARE = 4
"""Of so many best rows that are asked for, one is enough."""
_SLACK = 1 + 1e-5
"""A bound is so much higher than its formula, since the scores beside it are rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Concept:
    """A term or a known phrase of a query, and what it may be found by, with the weight of each."""

    alternatives: Sequence[tuple[Phrase, float]]
    rarity: float
    """Of the rarest alternative: a synonym that everybody uses does not make the concept common."""


@dataclass(frozen=True, slots=True, eq=False)
class Titles:
    """Which rows have a query for their title."""

    keys: NDArray[np.int64]
    """int64[n], a number for each row's title; of the rows from n on none has the query for its title."""
    asked: int
    """The number of the query."""

    def among(self, rows: Rows) -> Mask:
        """bool[len(rows)]"""
        known = rows < len(self.keys)
        found: Mask = known & (self.keys[np.where(known, rows, 0)] == self.asked)
        return found

    def rows(self, n_rows: int) -> Rows:
        """int32[m], which of the first `n_rows`."""
        return np.flatnonzero(self.keys[:n_rows] == self.asked).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Rare:
    """The rows that have a concept that is not common, and their scores."""

    rows: Rows
    """int32[m], ascending."""
    scores: Scores
    """float32[m], in 0..1."""
    above: float
    """No other row has a score above it."""
    top: np.float32
    """Twice the best BM25 of all rows."""
    titled: bool
    """Whether the query is the title of one of the rows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sure:
    """What is known of a query with common words without a look at the score of each row."""

    front: Rows
    """int32[m], the best rows, best first."""
    top: np.float32
    """Twice the best BM25 of all rows."""
    titled: Rows
    """int32[t], the rows of a score whose title is the query."""
    rarer: Mapping[int, list[tuple[Rows, Scores]]]
    """Of each concept that is not common, by its id, the rows that have it (ascending) and their scores."""


class WordMatches:
    """Scores of one query, as of when it was asked: a row's is

        covered × (1 + bm25 / best bm25) / 2,

    where `covered` is the share of the query's weight (by idf) whose concepts stand in the item: matching all
    of a query beats matching one word of it often. An item whose title is the query comes first.
    """

    def __init__(
        self,
        postings: Postings,
        params: SearchParams,
        concepts: Sequence[Concept],
        *,
        titles: Titles,
        n_rows: int,
        allowed: Mask | None,
        corrected: dict[str, str],
    ) -> None:
        """`allowed` is bool[n_rows], the only rows that have a score; None: all."""
        self._postings = postings
        self._params = params
        self._concepts = [replace(each, alternatives=self._known(each)) for each in concepts]
        self._titles = titles
        self._n_rows = n_rows
        self._allowed = allowed
        self._asked = np.float32(sum(each.rarity for each in concepts))
        self._sure: _Sure | None = None
        self.corrected = corrected
        """Term as typed → term as searched, for those that had to be guessed."""

    @cached_property
    def scores(self) -> Scores:
        """float32[n_rows], in 0..1; 0 is no match."""
        total = np.zeros(self._n_rows, dtype=np.float32)
        covered = np.zeros(self._n_rows, dtype=np.float32)
        for concept in self._concepts:
            if self._is_common(concept) and _PART * self._frequency(concept) >= self._n_rows:
                self._add_common(concept, slice(self._n_rows), total, covered)
            else:
                self._add(concept, total, covered)
        if self._allowed is not None:
            total *= self._allowed
            covered *= self._allowed
        best = float(total.max(initial=0.0))
        if best > 0:
            total = self._blended(total, covered, np.float32(2 * best))
            named = self._titles.rows(self._n_rows)
            named = named[total[named] > 0]
            if len(named):
                # The others go down rather than the title up: the range stays 0..1.
                total *= _NOT_THE_TITLE
                total[named] = 1.0
        return total.astype(np.float32, copy=False)

    @cached_property
    def matched(self) -> Mask:
        """bool[n_rows], which rows have a score."""
        found = np.zeros(self._n_rows, dtype=np.bool_)
        rare = self._rare if self._sure is None else None
        if rare is not None:
            found[rare.rows[rare.scores > 0]] = True
        for concept in self._concepts:
            if concept in self._common or (self._sure is not None and self._is_common(concept)):
                for dense, factor in self._dense(concept):
                    if factor > 0:  # params.yaml may give synonyms and corrections no weight
                        length = min(len(dense.has), self._n_rows)
                        found[:length] |= dense.has[:length]
                continue
            for words, weight in concept.alternatives if rare is None else ():
                rows, scores = self._scored(words, weight)
                found[rows[scores > 0]] = True
        if self._allowed is not None:
            found &= self._allowed
        return found

    def front(self, identity: Identities, count: int) -> Rows:
        """The best rows, best first, int32[<=count]; as many as are known without a look at all.

        Args:
            identity: uint64[n_rows], by which equals are put in order.
        """
        self._sure = self._surely(identity, count)
        if self._sure is not None:
            return self._sure.front
        rare = self._rare
        if rare is None:
            return np.zeros(0, dtype=np.int32)
        above = rare.scores > rare.above
        rows, scores = rare.rows[above], rare.scores[above]
        best: Rows = rows[top(scores, identity[rows], count)]
        return best

    def of(self, rows: Rows) -> Scores:
        """The scores of some rows, float32[len(rows)]."""
        if self._sure is not None:
            scores = self._blended(*self._sums_of(self._concepts, rows, self._sure.rarer), self._sure.top)
            if self._allowed is not None:
                scores[~self._allowed[rows]] = 0
            if len(self._sure.titled):
                scores *= _NOT_THE_TITLE
                scores[np.isin(rows, self._sure.titled)] = 1
            return scores
        rare = self._rare
        if rare is None or "scores" in self.__dict__:
            found: Scores = self.scores[rows]
            return found
        places = np.minimum(np.searchsorted(rare.rows, rows), max(len(rare.rows) - 1, 0))
        known = rare.rows[places] == rows if len(rare.rows) else np.zeros(len(rows), dtype=np.bool_)
        scores = np.zeros(len(rows), dtype=np.float32)
        if len(rare.rows):
            scores[known] = rare.scores[places[known]]
        others = rows[~known]
        common = [each for each in self._concepts if each in self._common]
        total = self._blended(*self._sums_of(common, others, {}), rare.top)
        if self._allowed is not None:
            total[~self._allowed[others]] = 0
        scores[~known] = total * _NOT_THE_TITLE if rare.titled else total
        return scores

    def _surely(self, identity: Identities, count: int) -> _Sure | None:
        """The best of the rows that have a word that is not common, of those that have most of the rarest
        common one, and of those of the query's title; None where too few of these are sure to be the best.

        No other row has more of that word than `behind`, nor more of another than the most that any has.
        Added up as scores are, and so rounded as they are, these give what no other is above.
        """
        known = [each for each in self._concepts if each.alternatives]
        common = [each for each in known if self._is_common(each)]
        few = [each for each in known if each not in common]
        if self._params.boosts.title <= 0 or not common or sum(map(self._frequency, few)) > postings.COMMON:
            return None
        rarest = min(common, key=self._frequency)
        # A phrase takes a look at all rows of each of its words.
        phrases = any(len(words) > 1 for each in few for words, _ in each.alternatives)
        if phrases or len(rarest.alternatives) > 1:
            return None
        [((word,), _)], [(dense, factor)] = rarest.alternatives, self._dense(rarest)
        leading = self._postings.leading(word, self._params.bm25_k1, self._params.bm25_b, identity)
        titled = self._titles.rows(self._n_rows)
        rarer = {id(each): [_ascending(*self._scored(*of)) for of in each.alternatives] for each in few}
        further = [titled, *(rows for found in rarer.values() for rows, _ in found)]
        rows = distinct(np.concatenate([leading.rows, *further])) if any(map(len, further)) else leading.rows
        if self._allowed is not None:
            rows, titled = rows[self._allowed[rows]], titled[self._allowed[titled]]
        total, covered = self._sums_of(self._concepts, rows, rarer)
        best, most = total.max(initial=np.float32(0)), self._bound(rarest, leading.behind * factor)
        if best <= 0 or best < most[0]:
            return None
        twice = np.float32(2 * float(best))
        scores = self._blended(total, covered, twice)
        less = np.float32(1)
        if len(titled):
            titled = titled[np.isin(titled, rows[scores > 0])]
        if len(titled):
            less = _NOT_THE_TITLE
            scores *= less
            scores[np.isin(rows, titled)] = 1
        above = self._blended(*most, twice) * less
        sure = scores > above
        last = leading.rows[-1]
        lower = self._blended(*self._bound(rarest, leading.lower * factor), twice) * less
        if lower < above and dense.scores[last] == leading.behind:
            # Of the others only those with as much of the word as the last, behind it in the order of equals,
            # can have as much in all.
            equal = np.flatnonzero(scores == above)
            sure[equal] |= identity[rows[equal]] <= identity[last]
        front = rows[sure][top(scores[sure], identity[rows[sure]], count)]
        return _Sure(front, twice, titled, rarer) if _SHARE * len(front) >= count else None

    def _bound(self, rarest: Concept, most: np.float32) -> tuple[Scores, Scores]:
        """The sum of BM25, and of what is covered, of a row that has common words alone, and so much of the
        rarest; at most, float32[1]."""
        total, covered = np.zeros(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
        for concept in filter(self._is_common, self._concepts):
            highest = most
            if concept is not rarest:
                highest = max((dense.most * by for dense, by in self._dense(concept)), default=np.float32(0))
            total += highest
            covered += np.float32(concept.rarity) if highest > 0 else np.float32(0)
        return total, covered

    @cached_property
    def _rare(self) -> _Rare | None:
        """The rows that have more than the common words; None where these are too many to be worth it, or a
        row of common words alone may have the best BM25."""
        rare = [each for each in self._concepts if each not in self._common]
        if self._params.boosts.title <= 0 or not rare:  # else what has the title has its words
            return None
        matches = [[self._scored(*of) for of in each.alternatives] for each in rare]
        if _PART * sum(len(rows) for each in matches for rows, _ in each) > len(self._postings):
            return None
        among = np.zeros(self._n_rows, dtype=np.bool_)
        for rows, _ in (each for found in matches for each in found):
            among[rows] = True
        found = np.flatnonzero(among).astype(np.int32)
        sums = self._sums(found, dict(zip(map(id, rare), matches, strict=True)))
        rest = sum(each.rarity for each in self._common)
        most = sum(map(self._most, self._common))
        best = float(sums[0].max(initial=0.0))
        if best <= most * _SLACK:
            return None
        scores = self._blended(*sums, np.float32(2 * best))
        named = self._titles.among(found) & (scores > 0)
        if named.any():
            scores *= _NOT_THE_TITLE
            scores[named] = 1.0
        above = rest / float(self._asked) * (0.5 + most / (2 * best)) * _SLACK
        return _Rare(found, scores, above, np.float32(2 * best), bool(named.any()))

    @cached_property
    def _common(self) -> set[Concept]:
        """Concepts of common words alone, beside rarer ones that have found enough rows."""
        often = {each: self._frequency(each) for each in self._concepts}
        found, common = 0, set()
        for each in sorted(often, key=lambda each: often[each]):
            if found >= postings.COMMON and self._is_common(each):
                common.add(each)
            found += often[each]
        return common

    def _known(self, concept: Concept) -> list[tuple[Phrase, float]]:
        """Its alternatives of whose words each is in some item."""
        return [of for of in concept.alternatives if all(map(self._postings.frequency, of[0]))]

    def _frequency(self, concept: Concept) -> int:
        """How many rows have a concept, at most."""
        return sum(min(map(self._postings.frequency, words)) for words, _ in concept.alternatives)

    def _is_common(self, concept: Concept) -> bool:
        return all(
            len(words) == 1 and self._postings.is_common(words[0]) for words, _ in concept.alternatives
        )

    def _sums(self, rows: Rows, matches: dict[int, list[tuple[Rows, Scores]]]) -> tuple[Scores, Scores]:
        """Of some rows, all that have a concept of `matches`: the sum of BM25, and of what is covered."""
        total = np.zeros(self._n_rows, dtype=np.float32)
        covered = np.zeros(self._n_rows, dtype=np.float32)
        for concept in self._concepts:  # in their order, as sums are rounded
            if id(concept) in matches:
                self._add(concept, total, covered, matches[id(concept)])
            else:
                sums = total[rows], covered[rows]
                self._add_common(concept, rows, *sums)
                total[rows], covered[rows] = sums
        return total[rows], covered[rows]

    def _add(
        self,
        concept: Concept,
        total: Scores,
        covered: Scores,
        matches: list[tuple[Rows, Scores]] | None = None,
    ) -> None:
        """Add a concept to the sums of all rows, float32[n_rows], in place."""
        rarity = np.float32(concept.rarity)
        if matches is None:
            matches = [self._scored(words, weight) for words, weight in concept.alternatives]
        if len(matches) == 1:  # as it is, as a rule
            [(rows, scores)] = matches
            covered[rows] += np.where(scores > 0, rarity, np.float32(0))
            total[rows] += scores
            return
        best = np.zeros(self._n_rows, dtype=np.float32)
        for rows, scores in matches:
            # The best alternative counts once: an item that names a thing and its synonym says no more.
            best[rows] = np.maximum(best[rows], scores)
        for rows, _ in matches:  # a row of several alternatives counts once: it is 0 the second time
            covered[rows] += np.where(best[rows] > 0, rarity, np.float32(0))
            total[rows] += best[rows]
            best[rows] = 0

    def _sums_of(
        self, concepts: Sequence[Concept], rows: Rows, rarer: Mapping[int, list[tuple[Rows, Scores]]]
    ) -> tuple[Scores, Scores]:
        """Of some rows the sum of BM25, and of what is covered, by concepts that are common or of `rarer`."""
        total = np.zeros(len(rows), dtype=np.float32)
        covered = np.zeros(len(rows), dtype=np.float32)
        for concept in concepts:
            if id(concept) in rarer:
                found = [_at(rows, *scored) for scored in rarer[id(concept)]]
                self._add_best(concept, found, total, covered)
            else:
                self._add_common(concept, rows, total, covered)
        return total, covered

    def _add_common(self, concept: Concept, rows: Rows | slice, total: Scores, covered: Scores) -> None:
        """Add a concept of common words to the sums of some rows, float32[len(rows)], in place."""
        found = []
        for dense, weight in self._dense(concept):
            scores = dense.scores
            if len(scores) < self._n_rows:
                scores = np.pad(scores, (0, self._n_rows - len(scores)))
            found.append(scores[rows] * weight)
        self._add_best(concept, found, total, covered)

    def _add_best(self, concept: Concept, found: Sequence[Scores], total: Scores, covered: Scores) -> None:
        """Add the best of a concept's alternatives, float32[m] of each, to the sums of m rows, in place."""
        if found:
            best = reduce(np.maximum, found)
            covered += np.where(best > 0, np.float32(concept.rarity), np.float32(0))
            total += best

    def _most(self, concept: Concept) -> float:
        """The largest BM25 of a concept of common words, at least."""
        return max((float(dense.most) * float(weight) for dense, weight in self._dense(concept)), default=0.0)

    def _dense(self, concept: Concept) -> list[tuple[postings.Dense, np.float32]]:
        """BM25 of the words of a common concept, and what each is multiplied by."""
        k1, b = self._params.bm25_k1, self._params.bm25_b
        return [
            (self._postings.dense(word, k1, b), np.float32(weight * self._postings.idf(word)))
            for (word,), weight in concept.alternatives
        ]

    def _blended(self, total: Scores, covered: Scores, top: np.float32) -> Scores:
        # BM25 decides within half of the range, so it can't lift one word of a query over all of it.
        found: Scores = covered / self._asked * (np.float32(0.5) + total / top)
        return found

    def _scored(self, words: Phrase, weight: float) -> tuple[Rows, Scores]:
        """Rows int32[m] that have all the words, each once, and idf × BM25 summed over the words."""
        rows, scores = self._bm25(words[0], weight)
        for word in words[1:]:
            further, more = self._bm25(word, weight)
            # A phrase is its words in one item, in any order: the postings hold no positions.
            rows, ours, theirs = np.intersect1d(rows, further, assume_unique=True, return_indices=True)
            scores = scores[ours] + more[theirs]
        return rows, scores

    def _bm25(self, term: str, weight: float) -> tuple[Rows, Scores]:
        rows, scores = self._postings.bm25(term, self._params.bm25_k1, self._params.bm25_b)
        if self._allowed is not None:
            kept = self._allowed[rows]
            rows, scores = rows[kept], scores[kept]
        return rows, scores * np.float32(weight * self._postings.idf(term))


def _ascending(rows: Rows, scores: Scores) -> tuple[Rows, Scores]:
    order = np.argsort(rows)
    return rows[order], scores[order]


def _at(rows: Rows, known: Rows, scores: Scores) -> Scores:
    """The scores of some rows, 0 for those that are none of the known (ascending); float32[len(rows)]."""
    if not len(known):
        return np.zeros(len(rows), dtype=np.float32)
    places = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[places] == rows, scores[places], np.float32(0))
