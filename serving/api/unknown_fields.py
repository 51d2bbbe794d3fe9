"""Fields of a request that its endpoint does not have: named in a header, so that a misspelt one is noticed.

The original APIs ignore them silently; refusing them would break clients that send them. /v1 refuses them.
"""

from dataclasses import dataclass
from typing import get_args
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute

from serving.api.v1.problems import is_v1
from serving.request_context import current_request

HEADER = "X-Ignored-Fields"

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose body, if there is one, is not read."""
_MOST_NAMES = 20
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Fields:
    """What an endpoint takes."""

    query: frozenset[str]
    body: frozenset[str]
    """None of them where it has no body."""


def fields_by_route(app: FastAPI) -> dict[str, Fields]:
    """The fields of each endpoint, by the route's unique id."""
    return {route.unique_id: _fields(route) for route in app.routes if isinstance(route, APIRoute)}


async def note_unknown_fields(request: Request) -> None:
    """Note the query and body fields that the request's endpoint ignores; the middleware names them."""
    fields: Fields | None = request.app.state.fields.get(request.scope["route"].unique_id)
    context = current_request.get()
    if fields is None or context is None or is_v1(request.scope["path"]):
        return
    unknown = [name for name in request.query_params if name not in fields.query]
    if request.method not in _WITHOUT_BODY:
        unknown += [name for name in await _body_names(request) if name not in fields.body]
    context.ignored = tuple(dict.fromkeys(unknown))


def header_of(names: tuple[str, ...]) -> bytes:
    """Names as the value of a header: percent-encoded, the first 20, each cut at 64 characters."""
    shown = [quote(name[:_LONGEST_NAME], errors="replace") for name in names[:_MOST_NAMES]]
    return ", ".join(shown).encode()


def _fields(route: APIRoute) -> Fields:
    query = frozenset(param.alias for param in get_flat_dependant(route.dependant).query_params)
    body = None if route.body_field is None else route.body_field.field_info.annotation
    models = [body, *get_args(body)]  # of a body that may be left out, or is one of several
    return Fields(query, frozenset(name for model in models for name in getattr(model, "model_fields", ())))


async def _body_names(request: Request) -> list[str]:
    try:
        body = await request.json()  # read already: the request keeps it
    except ValueError:
        return []
    return list(body) if isinstance(body, dict) else []
