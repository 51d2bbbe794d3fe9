"""A user of /v1: as requests send one, as answers show one, and as the database takes one."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, field_validator

from database.users import UserRow
from serving.api.errors import ApiError
from serving.api.fields import Labels
from serving.api.v1.fields import Body, Id
from serving.api.v1.item_in import MAX_ATTRIBUTES, READ_ONLY, AttributeIn, AttributeName, as_kept
from serving.types import AttributeValue


class UserIn(Body):
    """A whole user; what is left out is empty."""

    id: Id | None = Field(default=None, description="the id of the path, if it is given")
    interests: Labels = Field(
        default=(), description="what they say they care for: a new user's lists go by it"
    )
    labels: Labels = ()
    attributes: dict[AttributeName, AttributeIn] = Field(
        default_factory=dict, max_length=MAX_ATTRIBUTES, description="the shop's own"
    )
    created_at: datetime | None = Field(default=None, description=READ_ONLY)
    updated_at: datetime | None = Field(default=None, description=READ_ONLY)

    @field_validator("attributes")
    @classmethod
    def _kept(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {name: as_kept(each) for name, each in value.items() if each is not None}


class BatchUser(UserIn):
    """A user of a batch."""

    id: Id


class UserOut(BaseModel):
    """A user, as /v1 shows one."""

    id: str
    interests: list[str]
    labels: list[str]
    attributes: dict[str, AttributeValue]
    created_at: datetime
    updated_at: datetime


def user_shape(user: UserRow) -> dict[str, Any]:
    """A user's fields, as UserOut has them."""
    return {
        "id": user.user_id,
        "interests": list(user.interests),
        "labels": list(user.labels),
        "attributes": dict(user.attributes),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }


def user_values(user_id: str, user: UserIn) -> dict[str, Any]:
    """A whole user as `database.users.replace_user` takes it. Raises ApiError for another's id."""
    if user.id not in (None, user_id):
        raise ApiError(422, "invalid", "must be the id of the path, or left out", "id")
    return {"interests": user.interests, "labels": user.labels, "attributes": user.attributes}
