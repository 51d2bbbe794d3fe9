"""What an unknown word of a query may stand for: a longer word, or one that is misspelt."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from serving.text.postings import Postings
from serving.text.terms import fold, has_digit, is_unspaced
from serving.text.vocabulary import PREFIX, Vocabulary
from serving.types import Mask

_GUESSES = 3
_SHORTEST_TYPO = 5
_TWO_EDITS_FROM = 8
_ENDING = 3
_MOST_CANDIDATES = 256
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Words near to one, whichever items have them; the most frequent first."""

    longer: list[str]
    misspelt: dict[str, int]
    """With their distance, nearest first."""


class SpellingCorrections:
    """SpellingCorrections from the words of an index, for words that none of the rows in question has.

    Words are compared without accents. Numbers, and whatever else has a digit, are neither guessed nor a
    guess: the number next to an article's is another article. Pairs of characters of scripts without spaces
    are no words, and left out too.
    """

    def __init__(self, postings: Postings) -> None:
        self._postings = postings
        self._vocabulary = Vocabulary()
        self._found: dict[str, _Candidates] = {}
        self._found_at = 0

    def learn(self, fresh: Iterable[str]) -> None:
        """Terms that have come into the index."""
        for term in fresh:
            if _is_guessable(term):
                self._vocabulary.add(term)

    def forget(self, gone: Iterable[str]) -> None:
        """Terms that have left the index."""
        for term in gone:
            self._vocabulary.discard(term)

    def remembers(self, term: str) -> bool:
        """Whether `of` needs not look for the words near to a folded term."""
        return not _is_guessable(term) or (
            self._found_at == self._vocabulary.revision and term in self._found
        )

    def remember(self, term: str) -> None:
        """Look for the words near to a folded term now: about a millisecond for 300,000 words."""
        if _is_guessable(term):
            self._candidates(term)

    def of(self, term: str, allowed: Mask | None) -> list[str]:
        """The words of `allowed` rows (bool[n_rows]; None: of all) nearest to a folded term, at most three.

        Those that begin so (warm → warmer), the most frequent first, else those one edit apart, two from
        eight letters on. Words shorter than four or five letters are not guessed.
        """
        if not _is_guessable(term):
            return []

        def frequency(word: str) -> int:
            return self._postings.frequency(word, allowed)

        candidates = self._candidates(term)
        if longer := _most_frequent(candidates.longer, frequency):
            return longer
        nearest = {word: edits for word, edits in candidates.misspelt.items() if frequency(word)}
        least = min(nearest.values(), default=0)
        return _most_frequent([word for word, edits in nearest.items() if edits == least], frequency)

    def _candidates(self, term: str) -> _Candidates:
        if self._found_at != self._vocabulary.revision or len(self._found) >= _REMEMBERED:
            self._found.clear()
            self._found_at = self._vocabulary.revision
        if term not in self._found:
            self._found[term] = self._look_up(term)
        return self._found[term]

    def _look_up(self, term: str) -> _Candidates:
        longer = self._vocabulary.beginning(term, _ENDING)
        # Two edits of a short word lead to words that have nothing to do with it.
        edits = 2 if len(term) >= _TWO_EDITS_FROM else 1
        near = self._vocabulary.near(term, edits) if len(term) >= _SHORTEST_TYPO else {}
        frequency = self._postings.frequency
        longer.sort(key=lambda word: (-frequency(word), word))
        nearest = sorted(near, key=lambda word: (near[word], -frequency(word), word))
        return _Candidates(
            longer[:_MOST_CANDIDATES], {word: near[word] for word in nearest[:_MOST_CANDIDATES]}
        )


def _is_guessable(term: str) -> bool:
    return len(term) >= PREFIX and fold(term) == term and not has_digit(term) and not is_unspaced(term)


def _most_frequent(words: Iterable[str], frequency: Callable[[str], int]) -> list[str]:
    counted = {word: count for word in words if (count := frequency(word))}
    return sorted(counted, key=lambda word: (-counted[word], word))[:_GUESSES]
