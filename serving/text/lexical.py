"""Search by words over the live catalogue: BM25 with boosted fields, synonyms, typing mistakes."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import islice, takewhile

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from serving.text.postings import Postings
from serving.text.synonyms import Phrase, Synonyms
from serving.text.terms import phrase, terms
from serving.types import Item
from training.params.ranking import FieldBoosts, SearchParams

Scores = NDArray[np.float32]

_GUESSES = 3
_SHORTEST_PREFIX = 4
_SHORTEST_TYPO = 5
_ENDING = 3
_REMEMBERED_TYPOS = 4096


@dataclass(frozen=True)
class LexicalHits:
    """Scores of one query: `scores` float32[n_rows] in 0..1 (0 = no match), and what was understood."""

    scores: Scores
    corrected: dict[str, str]
    """Term as typed → term as searched, for those that had to be guessed."""


class LexicalIndex:
    """All searchable items by their words; items come and go while it answers."""

    def __init__(self, synonyms: Synonyms, params: SearchParams) -> None:
        self._postings = Postings()
        self._params = params
        self._synonyms = synonyms
        self._guesses: dict[str, list[str]] = {}
        self._guessed_at = -1
        self._vocabulary: list[str] = []

    def __len__(self) -> int:
        return len(self._postings)

    def put(self, row: int, item: Item) -> None:
        """Index an item, in place of what `row` held; an item without words is left out."""
        self._postings.remove(row)
        if document := document_of(item, self._params.boosts):
            self._postings.add(row, document)

    def remove(self, row: int) -> None:
        """Take the item of `row` out."""
        self._postings.remove(row)

    def search(self, query: str, n_rows: int) -> LexicalHits:
        """Score every row for a query.

        A row's score is covered × (1 + bm25 / best bm25) / 2, where `covered` is the share of the
        query's weight (by idf) whose concepts stand in the item: matching all of a query beats
        matching one word of it often. A concept is a term or a known phrase, with its synonyms
        (at `synonym_weight`), or, for a term that stands nowhere, the nearest terms (at `typo_weight`).
        """
        total = np.zeros(n_rows, dtype=np.float32)
        covered = np.zeros(n_rows, dtype=np.float32)
        asked = 0.0
        corrected: dict[str, str] = {}
        params = self._params
        for concept in self._concepts(phrase(query)):
            synonyms = ((other, params.synonym_weight) for other in self._synonyms.others(concept))
            alternatives = [(concept, 1.0), *synonyms]
            if not any(self._known(words) for words, _ in alternatives):
                guesses = self._guess(concept[0])
                alternatives = [((guess,), params.typo_weight) for guess in guesses]
                if guesses:
                    corrected[concept[0]] = guesses[0]
            rarity = max((self._rarity(words) for words, _ in alternatives), default=self._rarity(concept))
            best = self._best(alternatives, n_rows)
            asked += rarity
            total += best
            covered += np.where(best > 0, np.float32(rarity), np.float32(0))
        top = float(total.max(initial=0.0))
        if top > 0:
            total = covered / np.float32(asked) * (np.float32(0.5) + total / np.float32(2 * top))
        return LexicalHits(total.astype(np.float32, copy=False), corrected)

    def _concepts(self, query: Phrase) -> list[Phrase]:
        """Cut a query into phrases that have synonyms (longest first) and terms; repeats count once."""
        found: dict[Phrase, None] = {}
        start = 0
        while start < len(query):
            for length in range(min(self._synonyms.longest, len(query) - start), 1, -1):
                if self._synonyms.others(query[start : start + length]):
                    break
            else:
                length = 1
            found[query[start : start + length]] = None
            start += length
        return list(found)

    def _known(self, words: Phrase) -> bool:
        return all(self._postings.frequency(word) for word in words)

    def _rarity(self, words: Phrase) -> float:
        return sum(self._postings.idf(word) for word in words)

    def _best(self, alternatives: list[tuple[Phrase, float]], n_rows: int) -> Scores:
        best = np.zeros(n_rows, dtype=np.float32)
        for words, weight in alternatives:
            if len(words) == 1:
                rows, scores = self._bm25(words[0])
                scores = scores * np.float32(weight * self._postings.idf(words[0]))
                best[rows] = np.maximum(best[rows], scores)
            else:
                np.maximum(best, self._phrase_scores(words, weight, n_rows), out=best)
        return best

    def _bm25(self, term: str) -> tuple[NDArray[np.int32], Scores]:
        return self._postings.bm25(term, self._params.bm25_k1, self._params.bm25_b)

    def _phrase_scores(self, words: Phrase, weight: float, n_rows: int) -> Scores:
        """Sum over the phrase's terms where all of them stand; 0 elsewhere."""
        total = np.zeros(n_rows, dtype=np.float32)
        held = np.zeros(n_rows, dtype=np.int32)
        for word in words:
            rows, scores = self._bm25(word)
            total[rows] += scores * np.float32(weight * self._postings.idf(word))
            held[rows] += 1
        return np.where(held == len(words), total, np.float32(0))

    def _guess(self, term: str) -> list[str]:
        """The known terms nearest to one that stands nowhere: those that begin so (warm → warmer), else those
        one edit apart, two from eight letters on; shorter words than four or five letters are not guessed."""
        if len(term) < _SHORTEST_PREFIX:
            return []
        if self._guessed_at != self._postings.revision:
            self._guesses.clear()
            self._vocabulary = sorted(self._postings.vocabulary())
            self._guessed_at = self._postings.revision
        if term not in self._guesses:
            if len(self._guesses) >= _REMEMBERED_TYPOS:
                self._guesses.clear()
            self._guesses[term] = self._longer(term) or self._misspelt(term)
        return self._guesses[term]

    def _longer(self, term: str) -> list[str]:
        """Known words that are the term and up to three letters more, the most frequent first."""
        place = bisect_left(self._vocabulary, term)
        beginning = takewhile(lambda word: word.startswith(term), islice(self._vocabulary, place, None))
        found = [word for word in beginning if len(word) - len(term) <= _ENDING]
        return sorted(found, key=lambda word: (-self._postings.frequency(word), word))[:_GUESSES]

    def _misspelt(self, term: str) -> list[str]:
        """The known words at the least edit distance, the most frequent first."""
        if len(term) < _SHORTEST_TYPO:
            return []
        edits = 1 if len(term) < 8 else 2
        near = process.extract(term, self._vocabulary, scorer=OSA.distance, score_cutoff=edits, limit=8)
        near.sort(key=lambda hit: (hit[1], -self._postings.frequency(hit[0]), hit[0]))
        return [word for word, distance, _ in near if distance == near[0][1]][:_GUESSES]


def document_of(item: Item, boosts: FieldBoosts) -> dict[str, float]:
    """Weighted terms of an item: occurrences times the boost of their field; empty for a bare item."""
    document: dict[str, float] = {}
    for field, boost in boosts:
        text = " ".join(item.tags) if field == "tags" else getattr(item, field)
        for term in terms(text) if text else ():
            document[term] = document.get(term, 0.0) + boost
    return document
