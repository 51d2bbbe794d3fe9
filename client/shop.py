"""Items, users, events and metrics of /v1: what to send. Both clients have a method for each.

Items and users are sent and given as the service's reference describes them. What reads or writes one gives
its `etag` too; with `if_match` a write is refused (RequestRefused, 412) when somebody else has changed it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from . import types
from .calls import Call

Fields = Mapping[str, Any]


def put_items(items: Sequence[Fields]) -> Call[types.BatchResult]:
    """Store up to 10,000 whole items, each with its `id`; `results` says which rows were refused, and why."""
    return Call("POST", "/v1/items:batch", _whole, body=list(items), again=True)


def put_item(item_id: str, item: Fields, *, if_match: str | None = None) -> Call[types.Item]:
    """Make an item or replace it; what is left out is cleared."""
    return _write("PUT", _item(item_id), item, if_match)


def patch_item(item_id: str, changes: Fields, *, if_match: str | None = None) -> Call[types.Item]:
    """Change what is named of an item; None clears. Raises NotFound."""
    return _write("PATCH", _item(item_id), changes, if_match)


def get_item(item_id: str) -> Call[types.Item]:
    """An item, also one that is in no list. Raises NotFound."""
    return Call("GET", _item(item_id), _whole, tagged=True)


def delete_item(item_id: str, *, if_match: str | None = None) -> Call[None]:
    """Delete an item of any kind. Raises NotFound."""
    return Call("DELETE", _item(item_id), _nothing, headers=_matching(if_match))


def get_items(ids: Sequence[str]) -> Call[types.ItemPage]:
    """The items of up to 1,000 ids; `missing` names those that no item has."""
    return Call("GET", "/v1/items", _whole, {"id": list(ids)})


def list_items(
    *,
    cursor: str | None = None,
    limit: int | None = None,
    kind: types.Kind | None = None,
    category: str | None = None,
) -> Call[types.ItemPage]:
    """A page of all items in order of id; the next one begins at its `next_cursor`."""
    return Call("GET", "/v1/items", _whole, _given(cursor=cursor, limit=limit, kind=kind, category=category))


def categories() -> Call[list[types.CategoryCount]]:
    """Every category with the number of items in it that may be in lists."""
    return Call("GET", "/v1/categories", lambda body: body["categories"])


def log_event(event: Fields) -> Call[types.EventsResult]:
    """Log an event; it is on disk when this returns, once, however often it had to be sent."""
    return _log(dict(event))


def log_events(events: Sequence[Fields]) -> Call[types.EventsResult]:
    """Log up to 10,000 events; `errors` names the rows that were refused, the others are on disk."""
    return _log([dict(each) for each in events])


def undo_event(key: str) -> Call[None]:
    """The event of this key counts no longer. Raises NotFound."""
    return Call("DELETE", f"/v1/events/{_quoted(key)}", _nothing)


def event_types() -> Call[list[types.EventType]]:
    """The words for events that are defined, and what they count as."""
    return Call("GET", "/v1/event-types", lambda body: body["event_types"])


def define_event_types(defined: Sequence[Fields]) -> Call[list[types.EventType]]:
    """Define words for events, in place of all that were defined by this before."""
    body = {"event_types": [dict(each) for each in defined]}
    return Call("PUT", "/v1/event-types", lambda found: found["event_types"], body=body)


def put_users(users: Sequence[Fields]) -> Call[types.BatchResult]:
    """Store up to 10,000 whole users, each with their `id`; `results` says which rows were refused."""
    return Call("POST", "/v1/users:batch", _whole, body=list(users), again=True)


def put_user(user_id: str, user: Fields, *, if_match: str | None = None) -> Call[types.ShopUser]:
    """Store what the shop knows of a user (`interests`, `labels`, `attributes`), in place of what it knew."""
    return _write("PUT", _user(user_id), user, if_match)


def patch_user(user_id: str, changes: Fields, *, if_match: str | None = None) -> Call[types.ShopUser]:
    """Change what is named of a user; None clears. Raises NotFound."""
    return _write("PATCH", _user(user_id), changes, if_match)


def get_user(user_id: str) -> Call[types.ShopUser]:
    """A user, also one whom only events mention. Raises NotFound."""
    return Call("GET", _user(user_id), _whole, tagged=True)


def delete_user(user_id: str, *, if_match: str | None = None) -> Call[None]:
    """Delete a user and all that is known of them. Raises NotFound."""
    return Call("DELETE", _user(user_id), _nothing, headers=_matching(if_match))


def merge_user(user_id: str, anonymous_id: str) -> Call[types.MergedUser]:
    """At login: what a visitor did becomes the user's. Done again it changes nothing."""
    body = {"anonymous_id": anonymous_id}
    return Call("POST", f"{_user(user_id)}:merge", _whole, body=body, again=True)


def list_metrics(
    *, hours: float | None = None, since: str | None = None, until: str | None = None
) -> Call[types.ListMetrics]:
    """Clicks, conversion and revenue by list, of the last hour or of a period (ISO 8601 with a zone)."""
    return Call("GET", "/v1/metrics/lists", _whole, _given(hours=hours, since=since, until=until))


def _write(method: str, path: str, fields: Fields, if_match: str | None) -> Call[Any]:
    body = {name: value for name, value in fields.items() if name != "etag"}
    return Call(method, path, _whole, body=body, headers=_matching(if_match), tagged=True)


def _log(body: Any) -> Call[types.EventsResult]:
    return Call("POST", "/v1/events", _whole, body=body, headers={"Idempotency-Key": f'"{uuid4()}"'})


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _item(item_id: str) -> str:
    return f"/v1/items/{_quoted(item_id)}"


def _user(user_id: str) -> str:
    return f"/v1/users/{_quoted(user_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _whole(body: Any) -> Any:
    return body


def _nothing(body: Any) -> None:
    return None
