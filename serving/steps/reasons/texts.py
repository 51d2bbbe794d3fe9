"""Why an item is in a list, in words that a shopper could read."""

from serving.types import Item

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


def because_of(event_type: str, name: str) -> str:
    """What the user did with an item like this one."""
    return f"because you {_VERBS.get(event_type, 'saw')} {name}"


def bought_together(name: str, confidence: float, lift: float) -> str:
    """A basket rule: share of the antecedent's baskets that hold this too, and how far beyond chance."""
    share, often = f"{confidence * 100:.0f} % of baskets", f"{lift:.1f} times as often as by chance"
    return f"bought together with {name}: {share}, {often}"


def with_basket() -> str:
    """Bought with items of a basket that are not to be named."""
    return "bought with the items in the cart"


def trending(events: int, days: int) -> str:
    """Trending by events in the window."""
    window = "this week" if days == 7 else f"in {days} days"
    return f"trending: {events:,} {'event' if events == 1 else 'events'} {window}"


def popular(item: Item) -> str:
    """Popular without trending events to count."""
    if item.rating is not None and item.rating_count:
        return f"popular: rated {item.rating:.1f} by {item.rating_count:,}"
    return "popular"


def new_item() -> str:
    """Nothing has happened to the item yet."""
    return "new in the catalogue"


def good_value(item: Item) -> str:
    """What makes the item good value."""
    parts = []
    if item.discount_ratio:
        parts.append(f"{item.discount_ratio * 100:.0f} % off")
    if item.rating is not None and item.rating_count:
        parts.append(f"rated {item.rating:.1f} by {item.rating_count:,}")
    if not item.discount_ratio and item.price is not None:
        parts.append("popular and low-priced" if not parts else "low price")
    return "best value: " + ", ".join(parts)


def priced_like(name: str) -> str:
    """Costs about as much."""
    return f"similar in price to {name}"


def interest(name: str) -> str:
    """Fits what the user said they care for."""
    return f"matches your interest '{name}'"


def searched(query: str) -> str:
    """Fits what the user searched before."""
    return f"matches your search '{query}'"


def matches(query: str, corrected: dict[str, str]) -> str:
    """Found by this search."""
    if corrected:
        guesses = ", ".join(f"'{typed}' read as '{meant}'" for typed, meant in corrected.items())
        return f"matches '{query}' ({guesses})"
    return f"matches '{query}'"


def near_meaning(text: str) -> str:
    """Means much the same as a text."""
    return f"close in meaning to '{text}'"


def alike(name: str) -> str:
    """Named alike."""
    return f"similar to {name}"


def same_people(name: str) -> str:
    """Chosen by the same people."""
    return f"chosen by people who chose {name}"


def like_you(names: str) -> str:
    """Chosen by people with a like history."""
    return f"chosen by people who, like you, chose {names}"


def different(category: str | None) -> str:
    """A change from what the user sees."""
    return f"something different: {category}" if category else "something different for you"


def top_of(category: str) -> str:
    """Leads its category."""
    return f"popular in {category}"
