"""Events of /v1, and the event types that say what a shop's words for them count as."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from database.event_words import EventType, EventWords, parse_name
from database.events import EventTypesChangedError
from serving.api.errors import ApiError, error_answer
from serving.api.idempotency import IdempotencyKey
from serving.api.quick_route import QuickRoute
from serving.api.responses import JSON, answer
from serving.api.state import Plane
from serving.api.v1.batches import batch_body
from serving.api.v1.event_in import EventIn, EventWord, event_values
from serving.api.v1.fields import Body as StrictBody
from serving.api.v1.fields import Id
from serving.api.v1.problems import FieldProblem, documented
from serving.api.v1.rows import Rows, read_rows
from serving.request_context import current_request
from training.params.learning import CountsAs

router = APIRouter(tags=["v1 events"], route_class=QuickRoute)

BeaconKey = Annotated[
    str | None, Query(description="a public key, where no header can be sent: navigator.sendBeacon")
]
_EXAMPLE = {
    "type": "purchase",
    "user_id": "4f9c1c0e-6f0b-4d4a-9a51-0d5f7c1f2a77",
    "item_id": "1095275",
    "quantity": 2,
    "price": 2.49,
    "time": "2026-11-20T12:00:00Z",
    "key": "order-77-line-1",
}


class RefusedRow(BaseModel):
    """A row that was not stored, and why."""

    index: int
    errors: list[FieldProblem]


class EventsAnswer(BaseModel):
    """What became of the events: those that are stored are on disk."""

    stored: int
    refused: int
    errors: list[RefusedRow]


class EventTypeIn(StrictBody):
    """What a word counts as."""

    name: EventWord = Field(description="a word, or a word with a condition on `value`: read>=3")
    counts_as: CountsAs = Field(description="what it says of an item; `nothing`: stored, and weighs 0")
    weight: float | None = Field(
        default=None, ge=-100, le=100, description="in place of the weight that type has in params.yaml"
    )

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str) -> str:
        try:
            parse_name(name)
        except ValueError as error:
            raise PydanticCustomError("bad_name", "{reason}", {"reason": str(error)}) from error
        return name


class EventTypes(StrictBody):
    """Every word, each name once."""

    event_types: list[EventTypeIn] = Field(max_length=1000)


@router.post(
    "/events",
    operation_id="log_events",
    status_code=207,
    response_model=EventsAnswer,
    responses={200: {"model": EventsAnswer}, **documented(400, 401, 413, 503)},
    openapi_extra=batch_body(
        {
            "one": {"value": _EXAMPLE},
            "two": {"value": [_EXAMPLE, {"type": "view", "anonymous_id": "a1", "item_id": "1095275"}]},
        },
        alone=True,
    ),
    summary="Log events",
)
async def log_events(
    plane: Plane, request: Request, key: IdempotencyKey, api_key: BeaconKey = None
) -> Response:
    """One event, a JSON array of up to 10,000 or one a line, whatever the content type says (sendBeacon sends
    text/plain). 200: all of them are on disk; 207: `errors` names the rows that are not, the others are. With
    Idempotency-Key a request that comes again stores nothing and gets the first one's answer."""
    await request.body()  # whole: a key's fingerprint is of it
    rows = await read_rows(request, EventIn)
    words = await plane.remembered_event_words()
    try:
        return await _log(plane, request, key, rows, words, sure=False)
    except EventTypesChangedError:
        words = await plane.event_words()
    return await _log(plane, request, key, rows, words, sure=True)


async def _log(
    plane: Plane, request: Request, key: UUID | None, rows: Rows[EventIn], words: EventWords, *, sure: bool
) -> Response:
    """Store the rows by these words, and answer.

    Raises EventTypesChangedError when other words may be defined by now, before a row is refused or stored by
    these, unless they were just read: then it is `sure`.
    """
    values, refused = _values(rows, words)
    if len(refused) > len(rows.bad) and not sure:
        raise EventTypesChangedError(words.version)
    if rows.single and refused:
        [problems] = refused.values()
        detail = "; ".join(f"{each.field or 'body'}: {each.detail}" for each in problems)
        return error_answer(422, "invalid", detail, errors=problems)
    body = {
        "stored": len(values),
        "refused": len(refused),
        "errors": [
            {"index": index, "errors": [each.model_dump() for each in problems]}
            for index, problems in sorted(refused.items())
        ],
    }
    once = None
    if key is not None:
        fingerprint = blake2b(await request.body(), digest_size=16).hexdigest()
        once = (key, fingerprint, orjson.dumps(body).decode())
    version = None if sure else words.version
    earlier = await plane.record_events(values, once, version) if values else None
    status = 207 if (orjson.loads(earlier)["refused"] if earlier else refused) else 200
    return answer(body, status) if earlier is None else Response(earlier, status, media_type=JSON)


@router.delete(
    "/events/{key:path}",
    operation_id="undo_event",
    status_code=204,
    responses=documented(401, 404, 503),
    summary="Undo an event",
)
async def undo_event(plane: Plane, key: Annotated[Id, Path(examples=["order-77-line-1"])]) -> Response:
    """The event of this `key` no longer counts: a like taken back, an order refunded."""
    if not await plane.undo_event(key):
        raise ApiError(404, "event_not_found", f"no event has the key {key!r}")
    return Response(status_code=204)


@router.get(
    "/event-types",
    operation_id="list_event_types",
    response_model=EventTypes,
    responses=documented(503),
    summary="Event types",
)
async def list_event_types(plane: Plane) -> Response:
    """Every word that is defined: by default, in params.yaml and here."""
    return answer(_shown(await plane.event_words()))


@router.put(
    "/event-types",
    operation_id="put_event_types",
    response_model=EventTypes,
    responses=documented(400, 401, 413, 503),
    summary="Define event types",
)
async def put_event_types(
    plane: Plane,
    body: Annotated[
        EventTypes,
        Body(
            examples=[
                {
                    "event_types": [
                        {"name": "taste", "counts_as": "like"},
                        {"name": "read>=3", "counts_as": "click", "weight": 3},
                    ]
                }
            ]
        ),
    ],
) -> Response:
    """Defines these words, in place of all that were defined here before. It holds for the events that come
    from now on; the answer has the defaults too."""
    defined = {each.name: EventType(each.name, each.counts_as, each.weight) for each in body.event_types}
    return answer(_shown(await plane.define_event_types(list(defined.values()))))


def _values(
    rows: Rows[EventIn], words: EventWords
) -> tuple[list[dict[str, Any]], dict[int, list[FieldProblem]]]:
    """The good rows as they are stored, and what is wrong with the others."""
    refused, values = dict(rows.bad), []
    now, request = datetime.now(UTC), current_request.get()
    from_page = request is not None and request.from_page
    for index, event in rows.good.items():
        try:
            values.append(event_values(event, words, now, from_page=from_page))
        except PydanticCustomError as error:
            context = error.context or {}
            refused[index] = [FieldProblem(field=context["field"], detail=context["reason"])]
    return values, refused


def _shown(words: EventWords) -> dict[str, Any]:
    return {
        "event_types": [
            {"name": each.name, "counts_as": each.counts_as, "weight": each.weight}
            for each in sorted(words.types.values(), key=lambda each: each.name)
        ]
    }
