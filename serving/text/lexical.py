"""Search by words over the live catalogue: BM25 with boosted fields, accents, synonyms, typing mistakes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from serving.text.postings import Postings
from serving.text.spelling import SpellingCorrections
from serving.text.synonyms import Phrase, Synonyms
from serving.text.terms import fold, ideographs, phrase, terms, words
from serving.types import Item, Mask, Rows, Scores
from training.params.ranking import SearchParams

_MOST_CONCEPTS = 64
"""Distinct words and phrases of a query that are searched; further ones are left out."""
_MOST_GUESSED = 8
"""Unknown words of a query that are guessed; further ones match nothing."""
ACCENT_WEIGHT = 0.8
"""What a match counts that differs in accents only."""

_NOT_THE_TITLE = np.float32(0.98)
"""What other items' scores are multiplied by when the query is the whole title of an item."""


@dataclass(frozen=True)
class LexicalHits:
    """Scores of one query: `scores` float32[n_rows] in 0..1 (0 = no match), and what was understood."""

    scores: Scores
    corrected: dict[str, str]
    """Term as typed → term as searched, for those that had to be guessed."""


class Document(NamedTuple):
    """An item's words: occurrences times the boost of their field."""

    terms: dict[str, float]
    aliases: dict[str, float]
    """Further terms that find the item: its words without accents, single Chinese characters."""


class LexicalIndex:
    """All searchable items by their words; items come and go while it answers."""

    def __init__(self, synonyms: Synonyms, params: SearchParams) -> None:
        self._postings = Postings()
        self._params = params
        self._synonyms = synonyms
        self._guesses = SpellingCorrections(self._postings)
        self._titles = np.zeros(1024, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._postings)

    @property
    def synonyms_version(self) -> tuple[int, int] | None:
        """Another whenever the file of synonyms is."""
        return self._synonyms.version

    def put(self, row: int, item: Item) -> None:
        """Index an item, in place of what `row` held; an item without words is left out."""
        self.remove(row)
        document = document_of(item, self._params)
        if document.terms:
            self._guesses.learn(self._postings.add(row, document.terms, document.aliases))
            while row >= len(self._titles):
                self._titles = np.concatenate([self._titles, np.zeros_like(self._titles)])
            self._titles[row] = _title_key(item.title or "")

    def remove(self, row: int) -> None:
        """Take the item of `row` out."""
        self._guesses.forget(self._postings.remove(row))
        if row < len(self._titles):
            self._titles[row] = 0

    def search(self, query: str, n_rows: int, allowed: Mask | None = None) -> LexicalHits:
        """Score every row for a query; of the rows of `allowed` (bool[n_rows]) where that is given.

        A row's score is covered × (1 + bm25 / best bm25) / 2, where `covered` is the share of the
        query's weight (by idf) whose concepts stand in the item: matching all of a query beats
        matching one word of it often. A concept is a term or a known phrase; see `_alternatives`.
        An item whose title is the query comes first.
        """
        total = np.zeros(n_rows, dtype=np.float32)
        covered = np.zeros(n_rows, dtype=np.float32)
        best = np.zeros(n_rows, dtype=np.float32)
        asked = 0.0
        guessed: dict[str, list[str]] = {}
        for concept in self._concepts(phrase(query)):
            alternatives = self._alternatives(concept, allowed, guessed)
            # The rarest alternative: a synonym that everybody uses does not make the concept common.
            rarity = max(self._rarity(words) for words, _ in alternatives)
            asked += rarity
            matches = [self._scored(words, weight, allowed) for words, weight in alternatives]
            if len(matches) == 1:
                [(rows, scores)] = matches
                covered[rows] += np.where(scores > 0, np.float32(rarity), np.float32(0))
                total[rows] += scores
                continue
            for rows, scores in matches:
                # The best alternative counts once: an item that names a thing and its synonym says no more.
                best[rows] = np.maximum(best[rows], scores)
            for rows, _ in matches:  # a row of several alternatives counts once: it is 0 the second time
                covered[rows] += np.where(best[rows] > 0, np.float32(rarity), np.float32(0))
                total[rows] += best[rows]
                best[rows] = 0
        top = float(total.max(initial=0.0))
        if top > 0:
            # BM25 decides within half of the range, so it can't lift one word of a query over all of it.
            total = covered / np.float32(asked) * (np.float32(0.5) + total / np.float32(2 * top))
            self._titles_first(query, total)
        corrected = {typed: guesses[0] for typed, guesses in guessed.items() if guesses}
        return LexicalHits(total.astype(np.float32, copy=False), corrected)

    def unknown(self, query: str, allowed: Mask) -> list[str]:
        """The words of a query that `search` would have to look for near ones of: see `guess`."""
        found = []
        for concept in self._concepts(phrase(query)):
            if not self._is_known(self._searched(concept), allowed):
                found.append(_folded(concept)[0])
        return [word for word in found[:_MOST_GUESSED] if not self._guesses.remembers(word)]

    def guess(self, word: str) -> None:
        """Look for the words near to an unknown one, so that `search` need not."""
        self._guesses.remember(word)

    def _concepts(self, query: Phrase) -> list[Phrase]:
        """Cut a query into phrases that have synonyms (longest first) and terms; repeats count once."""
        found: dict[Phrase, None] = {}
        start = 0
        while start < len(query) and len(found) < _MOST_CONCEPTS:
            # Longest match first, from the left.
            for length in range(min(self._synonyms.longest, len(query) - start), 1, -1):
                if self._synonyms.others(_folded(query[start : start + length])):
                    break
            else:
                length = 1
            found[query[start : start + length]] = None
            start += length
        return list(found)

    def _alternatives(
        self, concept: Phrase, allowed: Mask | None, guessed: dict[str, list[str]]
    ) -> list[tuple[Phrase, float]]:
        """What a concept may be found by, with the weight of each: itself, itself without accents, its
        synonyms; where allowed rows have none of these, the nearest words that they have.

        Whatever is looked for is written into `guessed`, with what was found.
        """
        found = self._searched(concept)
        if self._is_known(found, allowed) or len(guessed) >= _MOST_GUESSED:
            return found
        guesses = guessed[concept[0]] = self._guesses.of(_folded(concept)[0], allowed)
        return [((guess,), self._params.typo_weight) for guess in guesses] or found

    def _searched(self, concept: Phrase) -> list[tuple[Phrase, float]]:
        """What a concept is found by without a guess, with the weight of each."""
        folded = _folded(concept)
        found = [(concept, 1.0)]
        if folded != concept:
            found.append((folded, ACCENT_WEIGHT))
        return found + [(other, self._params.synonym_weight) for other in self._synonyms.others(folded)]

    def _is_known(self, alternatives: list[tuple[Phrase, float]], allowed: Mask | None) -> bool:
        """Whether allowed rows have all the words of one of the alternatives."""
        has = self._postings.has
        return any(all(has(word, allowed) for word in words) for words, _ in alternatives)

    def _rarity(self, words: Phrase) -> float:
        return sum(self._postings.idf(word) for word in words)

    def _scored(self, words: Phrase, weight: float, allowed: Mask | None) -> tuple[Rows, Scores]:
        """Rows int32[m] that have all the words, each once, and idf × BM25 summed over the words."""
        rows, scores = self._bm25(words[0], weight, allowed)
        for word in words[1:]:
            further, more = self._bm25(word, weight, allowed)
            # A phrase is its words in one item, in any order: the postings hold no positions.
            rows, ours, theirs = np.intersect1d(rows, further, assume_unique=True, return_indices=True)
            scores = scores[ours] + more[theirs]
        return rows, scores

    def _bm25(self, term: str, weight: float, allowed: Mask | None) -> tuple[Rows, Scores]:
        rows, scores = self._postings.bm25(term, self._params.bm25_k1, self._params.bm25_b)
        if allowed is not None:
            kept = allowed[rows]
            rows, scores = rows[kept], scores[kept]
        return rows, scores * np.float32(weight * self._postings.idf(term))

    def _titles_first(self, query: str, scores: Scores) -> None:
        titles = self._titles[: len(scores)]
        named = np.flatnonzero((titles == _title_key(query)) & (scores[: len(titles)] > 0))
        if len(named):
            # The others go down rather than the title up: the range stays 0..1.
            scores *= _NOT_THE_TITLE
            scores[named] = 1.0


def document_of(item: Item, params: SearchParams) -> Document:
    """The words of an item's fields; empty for a bare item. A title of stop words alone keeps them."""
    found: dict[str, float] = {}
    aliases: dict[str, float] = {}
    for field, boost in params.boosts:
        text = " ".join(item.tags) if field == "tags" else getattr(item, field)
        if not text:
            continue
        for term in phrase(text) if field == "title" else terms(text):
            found[term] = found.get(term, 0.0) + boost
            if not term.isascii() and (bare := fold(term)) != term:
                aliases[bare] = aliases.get(bare, 0.0) + boost * ACCENT_WEIGHT
        for character in ideographs(text):
            aliases[character] = aliases.get(character, 0.0) + boost
    return Document(found, aliases)


def _title_key(text: str) -> int:
    """A number for a title's words in their order; 0 for a text without words."""
    found = words(text)
    return hash(tuple(found)) if found else 0


def _folded(concept: Phrase) -> Phrase:
    return tuple(map(fold, concept))
