"""From text to terms: one rule for what is indexed and for what is asked."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_APOSTROPHE = re.compile(r"['’]")
_LONGEST = 40

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


@lru_cache(maxsize=4096)
def terms(text: str) -> tuple[str, ...]:
    """Lower-case, stemmed terms of a text, in order, repeats kept; stop words left out.

    Categories are asked for again and again, and a title by two indexes: hence remembered.
    """
    return tuple(_stem(word) for word in words(text) if word not in STOP_WORDS)


def words(text: str) -> list[str]:
    """Lower-case words of a text, in order, stop words kept, not stemmed."""
    found = _WORD.findall(text.casefold())
    if "'" in text or "’" in text:
        found = [_APOSTROPHE.sub("", word) for word in found]
    return [word[:_LONGEST] for word in found]


def meant(query: str) -> str:
    """A query without its stop words, in its own words and order; of stop words alone, as it is.

    Sentence encoders read "something to keep tea warm" rather by its "something" than one would like.
    """
    kept = [word for word in words(query) if word not in STOP_WORDS]
    return " ".join(kept) if kept else query.strip()


def phrase(text: str) -> tuple[str, ...]:
    """The terms of a phrase; of stop words alone, the words themselves."""
    return terms(text) or tuple(_stem(word) for word in words(text))


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Singular of a regular English plural: berries → berry, boxes → box, mugs → mug; glass stays."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]
