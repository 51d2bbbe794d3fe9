"""Types of the fields that requests share, with the original APIs' rules and the service's limits.

An id or a query that breaks a rule of the original APIs answers 400 (`errors.MALFORMED`); everything else
that is not what the schema says answers 422.
"""

import re
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from serving.api.errors import MALFORMED, NO_SUCH
from serving.types import Kinds

MAX_QUERY = 255
MAX_ID = 128
MAX_ITEM_ID = 64
MAX_TITLE = 500
MAX_TEXT = 100_000
MAX_LABEL = 200
MAX_LABELS = 100
MAX_BIGINT = 2**63 - 1

_SHOP_USER = re.compile(r"[a-zA-Z0-9]{1,50}")
_SHOP_PRODUCT = re.compile(r"[A-Z0-9]{10}")
_NEW_ID = r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")


def _malformed(message: str) -> PydanticCustomError:
    return PydanticCustomError(MALFORMED, "{reason}", {"reason": message})


def _shop_user(value: str) -> str:
    if not _SHOP_USER.fullmatch(value):
        raise _malformed("must be 1 to 50 letters or digits")
    return value


def _shop_product(value: str) -> str:
    if not _SHOP_PRODUCT.fullmatch(value):
        raise _malformed("must be exactly 10 upper-case letters or digits")
    return value


def _query(value: str) -> str:
    trimmed = value.strip()
    if not trimmed:
        raise _malformed("must not be empty")
    if len(trimmed) > MAX_QUERY:
        raise _malformed(f"must have at most {MAX_QUERY} characters")
    if wrong := _unwritable(trimmed):
        raise _malformed(wrong)
    return trimmed


def _unwritable(text: str) -> str | None:
    """Why a text can be neither stored nor encoded, if it can't: UTF-8 has no half characters, PostgreSQL no
    NUL, and nobody types the other control characters."""
    if _HALF_CHARACTER.search(text):
        return "must not hold half a surrogate pair (part of a character, such as an emoji, is missing)"
    return "must not hold control characters" if _CONTROL.search(text) else None


def _writable(value: Any) -> Any:
    if isinstance(value, str) and (wrong := _unwritable(value)):
        raise PydanticCustomError("unwritable_text", "{reason}", {"reason": wrong})
    return value


def _addressable(value: str) -> str:
    if value in (".", ".."):
        raise PydanticCustomError("not_addressable", "must not be . or .., which no path can hold")
    return value


def _article_id(value: Any) -> int:
    text = str(value)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 1 <= number <= MAX_BIGINT:
        raise PydanticCustomError(NO_SUCH, "no article has this id")
    return number


ShopUserId = Annotated[
    str, AfterValidator(_shop_user), WithJsonSchema({"type": "string", "pattern": "^[a-zA-Z0-9]{1,50}$"})
]
"""A user of the shop: 1 to 50 letters or digits."""

ProductId = Annotated[
    str, AfterValidator(_shop_product), WithJsonSchema({"type": "string", "pattern": "^[A-Z0-9]{10}$"})
]
"""A product of the shop: exactly 10 upper-case letters or digits."""

QueryText = Annotated[
    str,
    AfterValidator(_query),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_QUERY, "pattern": r"\S"}),
]
"""A search query: 1 to 255 characters after trimming."""

_Writable = BeforeValidator(_writable)

KnownId = Annotated[str, Field(min_length=1, max_length=MAX_ID), _Writable, AfterValidator(_addressable)]
"""An id to look up, of any catalogue or user base; whatever it holds, percent-encoded it fits into a path."""

RunId = Annotated[str, Field(min_length=1, max_length=250), _Writable]
"""A run of Airflow."""

NewUserId = Annotated[str, Field(pattern=_NEW_ID, min_length=1, max_length=MAX_ID), _Writable]
"""The id of a user to be made: it must fit into a path as it is."""

NewItemId = Annotated[str, Field(pattern=_NEW_ID, min_length=1, max_length=MAX_ITEM_ID), _Writable]
"""The id of an item to be made: it must fit into a path as it is."""

ArticleId = Annotated[
    int,
    BeforeValidator(_article_id),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_BIGINT}),
]
"""An article's number in a path; what is no number is an article that does not exist."""

Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE, pattern=r"\S"), _Writable]
Text = Annotated[str, Field(max_length=MAX_TEXT), _Writable]
Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL), _Writable]
Labels = Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS)]

Kind = Annotated[
    Literal["product", "content", "article", "all"] | None,
    Query(description="Kind of items to show instead of this API's own; `all` is every kind."),
]
Explain = Annotated[bool, Query(description="Add `reason`, `model`, `score` and `columns` to every item.")]


def kinds_of(kind: str | None, own: str) -> Kinds:
    """The kinds a request asks for: this API's own unless it says otherwise."""
    return None if kind == "all" else frozenset((kind or own,))


def clamp(value: int, low: int, high: int) -> int:
    """The nearest number in [low, high]: limits of lists are clamped, never rejected."""
    return max(low, min(high, value))
