"""A slow, plain model of a shop: what a list that was asked for at some moment may hold.

What was acknowledged before a request was sent must show in its answer; what happened meanwhile may.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

IDS, TITLES = ("item_id", "product_id", "content_id", "id"), ("title", "name")
PERSONAL = frozenset({"personalized", "diverse_picks", "recommendations"})
"""Lists that leave out what their user has seen."""


@dataclass
class Known:
    """One item."""

    titles: dict[str, float] = field(default_factory=dict)
    """Each title it ever had, and when it was replaced."""
    lives: bool | None = None
    """None: it is being made or deleted."""
    since: float = 0.0
    """When it was acknowledged that it lives, or does not."""


@dataclass
class ShopModel:
    """Items by id, and what users have seen, with the times of the acknowledgements."""

    items: dict[str, Known] = field(default_factory=dict)
    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def live(self, item_id: str, title: str, now: float) -> None:
        """An item is there, under this title."""
        known = self.items.setdefault(item_id, Known())
        for other, replaced in known.titles.items():
            known.titles[other] = min(replaced, now)
        known.titles[title] = math.inf
        known.lives, known.since = True, now

    def died(self, item_id: str, now: float) -> None:
        """An item is gone."""
        self.items[item_id].lives, self.items[item_id].since = False, now

    def may_live(self, item_id: str) -> None:
        """An item is about to be made or changed: until it is, anything may be shown of it."""
        known = self.items.setdefault(item_id, Known())
        if not known.lives:
            known.lives = None

    def may_die(self, item_id: str) -> None:
        """An item is about to be deleted."""
        self.items[item_id].lives = None

    def saw(self, user: str, item_id: str, now: float) -> None:
        """A user did something with an item."""
        self.seen.setdefault(user, {}).setdefault(item_id, now)

    def is_live(self, item_id: str) -> bool:
        """Whether an item is there, as far as is known now."""
        return item_id in self.items and self.items[item_id].lives is True

    def surely_live(self, item_id: str, sent: float) -> bool:
        """Whether an item was there all the time since a request was sent."""
        return self.is_live(item_id) and self.items[item_id].since < sent

    def faults(self, body: Any, sent: float, user: str | None, *, stale: bool) -> list[str]:
        """What is wrong with an answer to a request of that moment; one that says it is stale may be old."""
        found = []
        for name, shown in _lists(body, ""):
            ids = [_first(each, IDS) for each in shown]
            scores = [each["score"] for each in shown if isinstance(each.get("score"), int | float)]
            if len(set(ids)) < len(ids):
                found.append(f"{name} holds an item twice")
            if not all(math.isfinite(score) for score in scores):
                found.append(f"{name} has a score that is not finite")
            for item_id, each in zip(ids, shown, strict=True):
                found += [
                    f"{name}: {item_id} {why}" for why in self._faults_of(item_id, each, sent, stale=stale)
                ]
            seen = {} if user is None or stale or name not in PERSONAL else self.seen.get(user, {})
            found += [f"{name}: {item_id} was seen" for item_id in ids if seen.get(item_id, math.inf) < sent]
        return found

    def _faults_of(self, item_id: str, shown: dict[str, Any], sent: float, *, stale: bool) -> Iterator[str]:
        known, title = self.items.get(item_id), _first(shown, TITLES)
        if known is None:
            yield "was never made"
        elif known.lives is False and known.since < sent and not stale:
            yield "is deleted"
        elif known.titles.get(title, math.inf) < sent and not stale:
            yield f"is no longer called {title}"


def _lists(body: Any, name: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every list of items in an answer, with the name of its field."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _lists(value, key)
    elif (
        isinstance(body, list) and body and all(isinstance(each, dict) and _first(each, IDS) for each in body)
    ):
        yield name, body


def _first(item: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(item[name]) for name in names if name in item), "")
