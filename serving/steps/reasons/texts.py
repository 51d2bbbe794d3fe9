"""Why an item is in a list, in words that a shopper could read."""

from serving.types import Item, Reason

_VERBS = {
    "purchase": "bought",
    "like": "liked",
    "rating": "rated",
    "feedback": "liked",
    "view_time": "viewed",
    "click": "viewed",
    "cart": "chose",
    "product_click": "viewed",
}


def because_of(event_type: str, item: Item) -> Reason:
    """What the user did with an item like this one."""
    verb = _VERBS.get(event_type, "saw")
    return Reason(f"because you {verb} {item.name}", f"because_you_{verb}", item)


def bought_together(names: str, confidence: float, lift: float, item: Item | None = None) -> Reason:
    """A basket rule: share of the antecedent's baskets that hold this too, and how far beyond chance.

    `item` is the antecedent, where it is a single one.
    """
    share, often = f"{confidence * 100:.0f} % of baskets", f"{lift:.1f} times as often as by chance"
    text = f"bought together with {names}: {share}, {often}"
    return Reason(text, "bought_together", item, confidence=float(confidence), lift=float(lift))


def with_basket() -> Reason:
    """Bought with items of a basket that are not to be named."""
    return Reason("bought with the items in the cart", "bought_with_cart")


def trending(events: int, days: int) -> Reason:
    """Trending by events in the window."""
    window = "this week" if days == 7 else f"in {days} days"
    return Reason(f"trending: {_events(events)} {window}", "trending", events=events, days=days)


def trending_hours(events: int, hours: int) -> Reason:
    """Trending by events of the last hours."""
    window = "in the last hour" if hours == 1 else f"in the last {hours} hours"
    return Reason(f"trending: {_events(events)} {window}", "trending", events=events, hours=hours)


def popular(item: Item) -> Reason:
    """Popular without trending events to count."""
    if item.rating is not None and item.rating_count:
        text, numbers = _rated(item)
        return Reason(f"popular: {text}", "popular", None, **numbers)
    return Reason("popular", "popular")


def new_item() -> Reason:
    """Nothing has happened to the item yet."""
    return Reason("new in the catalogue", "new")


def good_value(item: Item) -> Reason:
    """What makes the item good value."""
    parts: list[str] = []
    numbers: dict[str, float] = {}
    if item.discount_ratio:
        parts.append(f"{item.discount_ratio * 100:.0f} % off")
        numbers["discount"] = item.discount_ratio
    if item.rating is not None and item.rating_count:
        text, rated = _rated(item)
        parts.append(text)
        numbers |= rated
    if not item.discount_ratio and item.price is not None:
        parts.append("popular and low-priced" if not parts else "low price")
    return Reason("best value: " + ", ".join(parts), "best_value", None, **numbers)


def priced_like(item: Item) -> Reason:
    """Costs about as much."""
    return Reason(f"similar in price to {item.name}", "similar_price", item)


def interest(name: str) -> Reason:
    """Fits what the user said they care for."""
    return Reason(f"matches your interest '{name}'", "interest")


def searched(query: str) -> Reason:
    """Fits what the user searched before."""
    return Reason(f"matches your search '{query}'", "past_search")


def matches(query: str, corrected: dict[str, str]) -> Reason:
    """Found by this search."""
    if corrected:
        guesses = ", ".join(f"'{typed}' read as '{meant}'" for typed, meant in corrected.items())
        return Reason(f"matches '{query}' ({guesses})", "matches_corrected")
    return Reason(f"matches '{query}'", "matches")


def near_meaning(text: str, item: Item | None = None) -> Reason:
    """Means much the same as a text: a query, or an item's."""
    return Reason(f"close in meaning to '{text}'", "similar_meaning", item)


def alike(item: Item) -> Reason:
    """Named alike."""
    return Reason(f"similar to {item.name}", "similar_title", item)


def same_people(item: Item) -> Reason:
    """Chosen by the same people."""
    return Reason(f"chosen by people who chose {item.name}", "same_people", item)


def like_you(item: Item) -> Reason:
    """Chosen by people with a like history."""
    return Reason(f"chosen by people who, like you, chose {item.name}", "people_like_you", item)


def different(category: str | None) -> Reason:
    """A change from what the user sees."""
    text = f"something different: {category}" if category else "something different for you"
    return Reason(text, "different")


def top_of(category: str) -> Reason:
    """Leads its category."""
    return Reason(f"popular in {category}", "popular_in_category")


def listed() -> Reason:
    """One of the items that were asked for, by nothing but a filter."""
    return Reason("fits the filter", "filter")


def _events(events: int) -> str:
    return f"{events:,} {'event' if events == 1 else 'events'}"


def _rated(item: Item) -> tuple[str, dict[str, float]]:
    rating, count = item.rating or 0.0, item.rating_count or 0
    return f"rated {rating:.1f} by {count:,}", {"rating": rating, "rating_count": count}
