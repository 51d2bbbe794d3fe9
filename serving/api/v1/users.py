"""Users of /v1: stored, read, deleted with all that is known of them, and merged with who they were."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi import Body as InBody
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from database.user_merge import RegisteredUserError
from database.users import UserRow
from serving.api.errors import ApiError
from serving.api.responses import answer
from serving.api.state import Plane
from serving.api.v1 import etags
from serving.api.v1.batches import LINE_RESULTS, BatchAnswer, batch_answer, batch_body
from serving.api.v1.etags import IfMatch, IfNoneMatch
from serving.api.v1.fields import Body, Id
from serving.api.v1.item_in import merged
from serving.api.v1.problems import documented
from serving.api.v1.rows import read_rows
from serving.api.v1.user import BatchUser, UserIn, UserOut, user_shape, user_values
from serving.errors import UserNotFoundError

router = APIRouter(prefix="/users", tags=["v1 users"])

UserInPath = Annotated[Id, Path(examples=["4f9c1c0e-6f0b-4d4a-9a51-0d5f7c1f2a77"])]
_EXAMPLE = {"interests": ["tea"], "labels": ["newsletter"], "attributes": {"country": "DE", "orders": 3}}
Whole = Annotated[UserIn, InBody(examples=[_EXAMPLE])]
Patch = Annotated[dict[str, Any], InBody(examples=[{"labels": ["newsletter", "regular"]}])]


class Visitor(Body):
    """Who a user was before they signed in."""

    anonymous_id: Id


class Merged(BaseModel):
    """What a merge did."""

    id: str
    moved_events: int = Field(description="0 when it was done before")


Anonymous = Annotated[Visitor, InBody(examples=[{"anonymous_id": "visitor-1"}])]


@router.post(
    ":batch",
    operation_id="put_users",
    status_code=207,
    response_model=BatchAnswer,
    responses={
        200: {"model": BatchAnswer, **LINE_RESULTS},
        207: LINE_RESULTS,
        **documented(400, 401, 413, 503),
    },
    openapi_extra=batch_body({"two": {"value": [{"id": "u1", **_EXAMPLE}, {"id": "u2"}]}}),
    summary="Put up to 10,000 users",
)
async def put_users(plane: Plane, request: Request) -> Response:
    """A JSON array or one object a line, each a whole user with their `id`. 200: all are stored; 207:
    `results` says which rows were refused and why, the others are stored, in one transaction after the last
    row has come. With `Accept: application/x-ndjson` the results come one a line."""
    rows = await read_rows(request, BatchUser)
    values = {each.id: user_values(each.id, each) for each in rows.good.values()}
    created = await plane.replace_users(values) if values else {}
    return batch_answer(request, {index: each.id for index, each in rows.good.items()}, created, rows.bad)


@router.get(
    "/{user_id:path}",
    operation_id="get_user",
    response_model=UserOut,
    responses={
        304: {"description": "They still have the ETag of If-None-Match"},
        **documented(401, 404, 503),
    },
    summary="A user",
)
async def get_user(plane: Plane, user_id: UserInPath, if_none_match: IfNoneMatch = None) -> Response:
    """Also one whom only events mention."""
    return etags.read(user_shape(await plane.get_user(user_id)), if_none_match)


@router.put(
    "/{user_id:path}",
    operation_id="put_user",
    response_model=UserOut,
    responses={
        201: {"model": UserOut, "description": "They are new"},
        **documented(400, 401, 404, 412, 413, 503),
    },
    summary="Put a user",
)
async def put_user(
    plane: Plane,
    user_id: UserInPath,
    body: Whole,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Stores what the shop knows of a user, in place of what it said before; their events stay."""

    def make(stored: UserRow | None) -> dict[str, Any]:
        etags.check(_shown(stored), if_match, if_none_match)
        return user_values(user_id, body)

    return _stored(*await plane.replace_user(user_id, make))


@router.patch(
    "/{user_id:path}",
    operation_id="change_user",
    response_model=UserOut,
    responses=documented(400, 401, 404, 412, 413, 503),
    summary="Change a user",
)
async def change_user(plane: Plane, user_id: UserInPath, body: Patch, if_match: IfMatch = None) -> Response:
    """A JSON merge patch (RFC 7396): what is left out stays, null clears."""

    def make(stored: UserRow | None) -> dict[str, Any]:
        if stored is None:
            raise UserNotFoundError(user_id)
        etags.check(_shown(stored), if_match)
        try:
            changed = UserIn.model_validate(merged(user_shape(stored), body))
        except ValidationError as error:
            found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
            raise RequestValidationError(found) from error
        return user_values(user_id, changed)

    return _stored(*await plane.replace_user(user_id, make))


@router.delete(
    "/{user_id:path}",
    operation_id="delete_user",
    status_code=204,
    responses=documented(401, 404, 412, 503),
    summary="Delete a user",
)
async def delete_user(plane: Plane, user_id: UserInPath, if_match: IfMatch = None) -> Response:
    """Their events, the lists they were shown and what each worker remembers go with them. Models know
    nothing of them from the next training on, and are not asked until then."""
    await plane.delete_user(user_id, lambda stored: etags.check(_shown(stored), if_match))
    return Response(status_code=204)


@router.post(
    "/{user_id:path}:merge",
    operation_id="merge_user",
    response_model=Merged,
    responses=documented(400, 401, 404, 409, 413, 503),
    summary="Merge a visitor into a user",
)
async def merge_user(plane: Plane, user_id: UserInPath, body: Anonymous) -> Response:
    """At login: what the visitor did becomes the user's, who keeps the visitor's arm of an experiment unless
    they have one of their own. Done again it changes nothing. An unknown user is made."""
    if body.anonymous_id == user_id:
        raise ApiError(422, "invalid", "must be another id than the user's", "anonymous_id")
    try:
        moved = await plane.merge_users(body.anonymous_id, user_id)
    except RegisteredUserError as error:
        message = "is the id of a user who was put, not of a visitor"
        raise ApiError(409, "not_anonymous", message, "anonymous_id") from error
    return answer({"id": user_id, "moved_events": moved})


def _stored(user: UserRow, created: bool) -> Response:
    shape = user_shape(user)
    return answer(shape, HTTPStatus.CREATED if created else HTTPStatus.OK, {"ETag": etags.etag_of(shape)})


def _shown(stored: UserRow | None) -> dict[str, Any] | None:
    return None if stored is None else user_shape(stored)
