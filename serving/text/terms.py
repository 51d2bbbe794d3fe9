"""From text to terms: one rule for what is indexed and for what is asked.

A text is normalised (NFKC, case folded, invisible characters dropped) and cut into words, and each word into
terms: its singular, or in scripts without spaces its pairs of characters. `fold` takes off the accents.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import regex

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
"""The same for ASCII, several times as fast."""
_APOSTROPHE = re.compile(r"['’ʼ]")
_INVISIBLE = regex.compile(r"(?!\u200b)\p{Default_Ignorable_Code_Point}|\p{Me}")
"""Joiners, direction marks, soft hyphens, emoji frames; not the zero-width space, which separates words."""

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]"
_UNSPACED_RUN = regex.compile(rf"({_UNSPACED}(?:{_UNSPACED}|\p{{M}})*)")
_CHARACTER = regex.compile(r".\p{M}*", regex.DOTALL)
_IDEOGRAPH = regex.compile(r"\p{Han}")

_ACCENTS = regex.compile(
    r"[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff]"
    r"|\u0640"
)
"""Marks that people leave out when they type: of Latin, Greek, Cyrillic, Hebrew and Arabic, and the Arabic
letter stretch. Marks of other scripts are vowels and stay."""
_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
)
"""Letters that Unicode does not take apart, as they are typed on a keyboard without them."""
_DIGIT = regex.compile(r"\p{Nd}")

_LONGEST = 40
_REMEMBERED_LENGTH = 200

STOP_WORDS = frozenset(
    word
    for line in (
        "a an and any are as at be but by can do does for from get has have how i if in into is it its like",
        "me my of on or our please so some something somebody someone that the their them then there these",
        "they thing things this to up us want was we what when where which who will with would you your",
    )
    for word in line.split()
)
"""Words that carry no wish: they are not searched, unless the query has no others."""


def terms(text: str) -> tuple[str, ...]:
    """Lower-case, stemmed terms of a text, in order, repeats and accents kept; stop words left out.

    Categories are asked for again and again, and a title by two indexes: hence short texts are remembered.

    >>> terms("tea cups and saucers")
    ('tea', 'cup', 'saucer')
    """
    return _remembered_terms(text) if len(text) <= _REMEMBERED_LENGTH else _terms(text)


def words(text: str) -> list[str]:
    """Normalised words of a text, in order, stop words kept, not stemmed.

    >>> words("Kid's CAFÉ")
    ['kids', 'café']
    """
    normal = normalised(text)
    found: list[str] = (_ASCII_WORD if normal.isascii() else _WORD).findall(normal)
    if _APOSTROPHE.search(normal):
        found = [_APOSTROPHE.sub("", word) for word in found]
        found = [word for word in found if word]
    return found


def without_stop_words(query: str) -> str:
    """A query without its stop words, in its own words and order; of stop words alone, as it is.

    Sentence encoders read "something to keep tea warm" rather by its "something" than one would like.

    >>> without_stop_words("something to keep tea warm")
    'keep tea warm'
    """
    kept = [word for word in words(query) if word not in STOP_WORDS]
    return " ".join(kept) if kept else query.strip()


def phrase(text: str) -> tuple[str, ...]:
    """The terms of a phrase; of stop words alone, the words themselves."""
    return terms(text) or tuple(term for word in words(text) for term in _cut(word))


def ideographs(text: str) -> frozenset[str]:
    """The Chinese characters of a text: each is a word of its own to somebody who asks for it alone."""
    return frozenset() if text.isascii() else frozenset(_IDEOGRAPH.findall(normalised(text)))


def has_digit(term: str) -> bool:
    """Whether a term is a number or an article code: those are never guessed."""
    return any(character.isnumeric() for character in term)


def is_unspaced(term: str) -> bool:
    """Whether a term is cut out of a script that is written without spaces."""
    return not term.isascii() and _UNSPACED_RUN.search(term) is not None


def normalised(text: str) -> str:
    """One spelling for what looks the same: NFKC (full width → narrow), case folded, invisible characters
    dropped. The Turkish İ becomes i."""
    if text.isascii():
        return text.lower()
    # Before and after: case folding can undo the normal form (Unicode 3.13, D146).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = _INVISIBLE.sub("", folded).replace("i\u0307", "i")
    return unicodedata.normalize("NFKC", seen)


def fold(term: str) -> str:
    """A term without accents, in the letters of a plain keyboard: café → cafe, ёлка → елка, ٣ → 3.

    Marks that make a word (vowels of Hindi and Thai, the voicing of Japanese) stay.
    """
    return term if term.isascii() else _folded(term)


@lru_cache(maxsize=16384)
def _folded(term: str) -> str:
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", term)).translate(_LETTERS)
    # The regular expressions know the digits of a later Unicode than Python does: those stay as they are.
    bare = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), bare)
    return _stem(unicodedata.normalize("NFC", bare)) or term


def _terms(text: str) -> tuple[str, ...]:
    wanted = (word for word in words(text) if word not in STOP_WORDS)
    if text.isascii():
        return tuple(_stem(word[:_LONGEST]) for word in wanted)
    return tuple(term for word in wanted for term in _cut(word))


_remembered_terms = lru_cache(maxsize=4096)(_terms)


def _cut(word: str) -> Iterator[str]:
    """The terms of a word: its stem; its pairs of characters where the script has no spaces."""
    if not is_unspaced(word):
        yield _stem(word[:_LONGEST])
        return
    for place, part in enumerate(_UNSPACED_RUN.split(word)):
        if place % 2:
            characters = _CHARACTER.findall(part)
            # Bigrams overlap: without a dictionary, any two characters may be a word.
            yield from map("".join, pairwise(characters))
            if len(characters) == 1:
                yield part
        elif part:
            yield _stem(part[:_LONGEST])


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    """Singular of a regular English plural: berries → berry, boxes → box, mugs → mug; glass stays."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]
