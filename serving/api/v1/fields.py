"""Types of the fields that requests of /v1 share, and what every body of it refuses."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_ID = 128
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of surrogate pairs, line and paragraph separators."""


class Body(BaseModel):
    """A request's body: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def refuse_unprintable(value: str) -> str:
    """An id exactly as it was given.

    Raises PydanticCustomError for one that is empty, too long, ends in blanks, can't stand in a path or
    holds what nobody can see or store.
    """
    if not 1 <= len(value) <= MAX_ID:
        raise _bad(f"must have 1 to {MAX_ID} characters")
    if value != value.strip():
        raise _bad("must not begin or end with a blank")
    if not (value.isascii() and value.isprintable()) and any(
        unicodedata.category(character) in _UNPRINTABLE for character in value
    ):
        raise _bad("must not hold control characters, line breaks or halves of characters")
    if value in (".", ".."):
        raise _bad("must not be . or .., which no path can hold")
    return value


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bad(reason: str) -> PydanticCustomError:
    return PydanticCustomError("bad_id", "{reason}", {"reason": reason})


Id = Annotated[
    str,
    BeforeValidator(_number_as_text),
    AfterValidator(refuse_unprintable),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_ID}),
]
"""Any printable text of 1 to 128 characters, kept exactly as given; a whole number is taken as its digits."""
