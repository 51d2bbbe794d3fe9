"""What a shop's own words for events count as: defaults, params.yaml, and what was defined by API."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from database.event_types import EVENT_TYPES

NOTHING = "nothing"
"""A word that counts as nothing: its events are stored and weigh 0."""


@dataclass(frozen=True, slots=True)
class EventType:
    """What a shop's word for an event counts as."""

    name: str
    """A word, or a word with a condition on the value: `read>=3`."""
    counts_as: str
    """An event type of the platform."""
    weight: float | None = None
    """In place of that type's."""


_LOOKS = (
    *("view", "detail", "read", "clicks", "select_item", "view_item", "product_view", "pv"),
    *("play", "listen", "watch", "detail_page_view"),
)
_CARTS = ("cart", "carts", "addtocart", "add_to_cart", "conversion")
_FAVOURITES = ("wishlist", "star", "bookmark", "share", "fav", "favorite", "favourite", "add_to_wishlist")
_ORDERS = ("order", "orders", "buy", "transaction", "purchase_complete")
_IDLE = (
    *("removefromcart", "remove_from_cart", "view_cart", "impression", "view_item_list", "page_view"),
    *("home_page_view", "category_page_view", "shopping_cart_page_view"),
)
DEFAULTS = (
    *(EventType(name, name) for name in EVENT_TYPES),
    *(EventType(name, "click") for name in _LOOKS),
    *(EventType(name, "click", 3.0) for name in _CARTS),
    *(EventType(name, "like") for name in _FAVOURITES),
    *(EventType(name, "purchase") for name in _ORDERS),
    EventType("dislike", "skip"),
    EventType("search", "search_query"),
    EventType("view_search_results", "search_query"),
    EventType("rate", "rating"),
    *(EventType(name, NOTHING) for name in _IDLE),
)
"""Words that everybody has unless they define them anew: shops', Algolia's, Google Analytics' and Retail's,
those of public logs."""


def meant_by(word: EventType) -> str:
    """The default word that counts as the same, or the platform's type."""
    alike = (each.name for each in DEFAULTS if (each.counts_as, each.weight) == (word.counts_as, word.weight))
    return word.counts_as if word.counts_as == NOTHING else next(alike, word.counts_as)


_NAME = re.compile(
    r"(?P<word>[^<>=\s]+(?: [^<>=\s]+)*)(?:\s*(?P<sign>>=|<=|>|<|=)\s*(?P<bound>-?\d+(?:\.\d+)?))?"
)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event counts as: a type of the platform, and a weight in place of that type's."""

    event_type: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class _Condition:
    sign: str
    bound: float
    meaning: Meaning

    def holds(self, value: float | None) -> bool:
        return value is not None and _COMPARE[self.sign](value, self.bound)


class EventWords:
    """Every word that is defined; a later definition of a name takes the place of an earlier one."""

    def __init__(self, types: Iterable[EventType], version: str | None = None) -> None:
        """`version` is that of the definitions by API among them, as `database.events` reads it."""
        self.version = version
        self.types = {each.name: each for each in types}
        self._plain: dict[str, Meaning] = {}
        self._conditions: dict[str, list[_Condition]] = {}
        for each in self.types.values():
            word, sign, bound = parse_name(each.name)
            if sign is None:
                self._plain[word] = _meaning(each)
            else:
                self._conditions.setdefault(word, []).append(_Condition(sign, bound, _meaning(each)))
        for conditions in self._conditions.values():  # the narrowest first
            conditions.sort(key=lambda each: each.bound if each.sign[0] == "<" else -each.bound)

    @property
    def conditional(self) -> frozenset[str]:
        """The words that have a definition with a condition."""
        return frozenset(self._conditions)

    def name_of(self, word: str) -> str:
        """The defined name that a word stands for: its own, or with underscores, as in "Add to cart".

        >>> EventWords(DEFAULTS).name_of("Add to Cart")
        'add_to_cart'
        """
        for name in (word, word.lower(), re.sub(r"[\s-]+", "_", word.strip().lower())):
            if name in self._plain or name in self._conditions:
                return name
        return word

    def meaning(self, word: str, value: float | None) -> Meaning | None:
        """What an event of this word and value counts as; None for a word that nobody defined.

        The narrowest condition that holds decides; without one, the word alone. A word that only has
        conditions counts as nothing when none holds.
        """
        for condition in self._conditions.get(word, ()):
            if condition.holds(value):
                return condition.meaning
        plain = self._plain.get(word)
        if plain is None and word in self._conditions:
            return Meaning("view_time", 0.0)
        return plain


def parse_name(name: str) -> tuple[str, str | None, float]:
    """A definition's name as word, comparison and bound. Raises ValueError for one that is neither.

    >>> parse_name("read >= 3"), parse_name("added to cart")
    (('read', '>=', 3.0), ('added to cart', None, 0.0))
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is neither a word nor a word with a condition, as in read>=3")
    return found["word"], found["sign"], float(found["bound"] or 0)


def _meaning(each: EventType) -> Meaning:
    return Meaning("view_time", 0.0) if each.counts_as == NOTHING else Meaning(each.counts_as, each.weight)
