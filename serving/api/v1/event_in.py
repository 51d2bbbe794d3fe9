"""An event as requests of /v1 send it, and as the database takes it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from pydantic_core import PydanticCustomError

from database.event_words import EventWords
from database.events import key_of
from serving.api.fields import Label, QueryText, Text
from serving.api.v1.fields import Body, Id

MAX_AHEAD = timedelta(days=366)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
MAX_STARS = 5

EventWord = Annotated[Label, Field(max_length=64)]


class Context(Body):
    """Where it happened."""

    page: Text | None = None
    device: Label | None = None
    locale: Label | None = None


class EventIn(Body):
    """Something that somebody did."""

    type: EventWord = Field(description="the shop's own word: view, cart, purchase, ...; see event types")
    user_id: Id | None = None
    anonymous_id: Id | None = Field(default=None, description="who it was before they signed in")
    session_id: Id | None = None
    item_id: Id | None = Field(default=None, description="needed but for a search; it need not be known")
    query: QueryText | None = Field(default=None, description="the text of a search")
    value: float | None = Field(
        default=None, ge=-1e9, le=1e9, description="stars of a rating (0 to 5), seconds of a view, ..."
    )
    quantity: float | None = Field(default=None, ge=0, le=1e9, description="how many were bought")
    price: float | None = Field(default=None, ge=0, le=1e12, description="paid for one")
    time: AwareDatetime | None = Field(
        default=None,
        description="when it happened, up to a year ahead: it counts from then on. Now, if it is left out",
    )
    context: Context | None = None
    recommendation_id: Id | None = Field(default=None, description="of the list that it came from")
    key: Id | None = Field(
        default=None, description="an event of the same key replaces this one; DELETE undoes it"
    )


def event_values(event: EventIn, words: EventWords, now: datetime, *, from_page: bool) -> dict[str, Any]:
    """An event as `database.events.store_events` takes it.

    Raises PydanticCustomError, whose context has the `field` at fault.
    """
    meaning = words.meaning(event.type, event.value)
    if meaning is None:
        raise _bad("type", "is not defined: PUT /v1/event-types says what it counts as")
    kind = meaning.event_type
    if kind == "search_query" and event.query is None:
        raise _bad("query", "is needed for a search")
    if kind != "search_query" and event.item_id is None:
        raise _bad("item_id", "is needed for this type")
    if kind == "rating" and not 0 <= (event.value if event.value is not None else -1) <= MAX_STARS:
        raise _bad("value", f"must be the stars of the rating, 0 to {MAX_STARS}")
    if event.time is not None and not _FIRST <= event.time <= now + MAX_AHEAD:
        raise _bad("time", "must be between 1970 and a year from now")
    bought = event.quantity if kind == "purchase" and event.quantity is not None else event.value
    return {
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
        "session_id": event.session_id,
        "item_id": event.item_id,
        "event_type": kind,
        "event_name": event.type,
        "weight": meaning.weight,
        "query": event.query,
        "value": bought,
        "quantity": event.quantity,
        "price": event.price,
        "occurred_at": None if event.time is None else event.time.astimezone(UTC).isoformat(),
        "context": None if event.context is None else event.context.model_dump(exclude_none=True),
        "recommendation_id": event.recommendation_id,
        "dedup_key": None if event.key is None else str(key_of(event.key, from_page=from_page)),
    }


def _bad(field: str, reason: str) -> PydanticCustomError:
    return PydanticCustomError("bad_event", "{reason}", {"field": field, "reason": reason})
