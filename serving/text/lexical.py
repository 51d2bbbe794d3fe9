"""Search by words over the live catalogue: BM25 with boosted fields, accents, synonyms, typing mistakes."""

from typing import NamedTuple

import numpy as np

from serving.text.matches import Concept, Titles, WordMatches
from serving.text.postings import Postings
from serving.text.spelling import SpellingCorrections
from serving.text.synonyms import Phrase, Synonyms
from serving.text.terms import fold, ideographs, phrase, terms, words
from serving.types import Item, Mask
from training.params.ranking import SearchParams

_MOST_CONCEPTS = 64
"""Distinct words and phrases of a query that are searched; further ones are left out."""
_MOST_GUESSED = 8
"""Unknown words of a query that are guessed; further ones match nothing."""
ACCENT_WEIGHT = 0.8
"""What a match counts that differs in accents only."""
_MARKS = 8
"""Marks for each row's title: of titles that no item has, one in so many is looked for."""


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
        """A number for each row's title."""
        self._marks: Mask = np.zeros(_MARKS * len(self._titles), dtype=np.bool_)
        """Where a number's last digits are marked, an item has that title, or has had it, or another."""

    def __len__(self) -> int:
        return len(self._postings)

    @property
    def synonyms_version(self) -> tuple[int, int] | None:
        """Another whenever the file of synonyms is."""
        return self._synonyms.version

    def put(self, row: int, item: Item) -> None:
        """Index an item, in place of what `row` held; an item without words is left out.

        One of the same words as before changes nothing: what is kept of common words holds on.
        """
        document = document_of(item, self._params)
        if document.terms and self._postings.holds_document(row, document.terms, document.aliases):
            self._name(row, item)
            return
        self.remove(row)
        if document.terms:
            self._guesses.learn(self._postings.add(row, document.terms, document.aliases))
            self._name(row, item)

    def remove(self, row: int) -> None:
        """Take the item of `row` out."""
        self._guesses.forget(self._postings.remove(row))
        if row < len(self._titles):
            self._titles[row] = 0

    def search(self, query: str, n_rows: int, allowed: Mask | None = None) -> WordMatches:
        """What the words of a query find; among the rows of `allowed` (bool[n_rows]) where that is given.

        A concept is a term or a known phrase; see `_alternatives`.
        """
        guessed: dict[str, list[str]] = {}
        concepts = []
        for concept in self._concepts(phrase(query)):
            alternatives = self._alternatives(concept, allowed, guessed)
            rarity = max(self._rarity(words) for words, _ in alternatives)
            concepts.append(Concept(alternatives, rarity))
        corrected = {typed: guesses[0] for typed, guesses in guessed.items() if guesses}
        named = _title_key(query)
        titles = self._titles if self._marks[named % len(self._marks)] else self._titles[:1]
        return WordMatches(
            self._postings,
            self._params,
            concepts,
            titles=Titles(titles, named),
            n_rows=n_rows,
            allowed=allowed,
            corrected=corrected,
        )

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

    def _name(self, row: int, item: Item) -> None:
        """Note the title of a row's item."""
        while row >= len(self._titles):
            self._titles = np.concatenate([self._titles, np.zeros_like(self._titles)])
            self._marks = np.zeros(_MARKS * len(self._titles), dtype=np.bool_)
            self._marks[self._titles % len(self._marks)] = True
        self._titles[row] = _title_key(item.title or "")
        self._marks[self._titles[row] % len(self._marks)] = True

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
