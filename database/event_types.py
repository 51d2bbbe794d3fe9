"""The types of event that the platform knows."""

from typing import Literal, get_args

EventType = Literal[
    "product_click",
    "search_query",
    "click",
    "like",
    "skip",
    "view_time",
    "purchase",
    "rating",
    "feedback",
]

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
