"""Pages of a list: the token of the next one holds the request, and what the earlier ones showed.

A token is all there is of a page, so any worker answers it, and nothing is stored. It holds nothing but what
its owner sent and was shown; what is in it is checked like any request.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from time import time
from typing import Any
from zlib import compress, decompressobj
from zlib import error as ZlibError  # noqa: N812

import orjson
from pydantic_core import PydanticCustomError

from serving.catalogue.catalogue import identity_of
from serving.lists.list_requests import KEY_BITS, page_key
from serving.types import Ranked

VALID_SECONDS = 30 * 60
MOST_SHOWN = 10_000
"""Items of all pages of a list."""
LONGEST = 200_000
"""Characters of a token."""

_BYTES = KEY_BITS // 8
_LARGEST = 1_000_000
_ALONE = frozenset({"page", "n", "explain", "shown"})
"""Fields that may come with a page; all others are those of the first request."""


def next_page(
    name: str, request: Mapping[str, Any], shown: Iterable[int], items: Iterable[Ranked]
) -> str | None:
    """The token of the page after these items; None after MOST_SHOWN.

    Args:
        name: of the list.
        request: the fields of the first page's request.
        shown: `page_key` of each item of the earlier pages.
        items: of this page.
    """
    keys = [*shown, *(page_key(identity_of(each.item.item_id)) for each in items)]
    if len(keys) > MOST_SHOWN:
        return None
    packed = b"".join(key.to_bytes(_BYTES) for key in keys)
    head = orjson.dumps([name, int(time()), request])
    return urlsafe_b64encode(compress(len(head).to_bytes(4) + head + packed)).decode().rstrip("=")


def read_page(name: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[int]]:
    """The fields of a page's request, and `page_key` of each item that was shown before it.

    Raises PydanticCustomError for a token that is none, is of another list, or is too old.
    """
    extra = sorted(body.keys() - _ALONE)
    if extra:
        raise _bad(f"a page has the fields of the first request: {extra[0]!r} can't come with it")
    told = _read(body["page"])
    if told is None:
        raise _bad("this is no page of a list")
    (of, made, request), keys = told
    if of != name:
        raise _bad(f"this is a page of /v1/{of}")
    if not 0 <= time() - made <= VALID_SECONDS:
        raise _bad("this page has expired: ask for the list again")
    own = {field: value for field, value in body.items() if field != "page"}
    return {**request, **own}, keys


def _read(token: object) -> tuple[tuple[str, int, dict[str, Any]], frozenset[int]] | None:
    if not isinstance(token, str) or len(token) > LONGEST:
        return None
    try:
        unpacked = decompressobj().decompress(urlsafe_b64decode(token + "=" * (-len(token) % 4)), _LARGEST)
        length = int.from_bytes(unpacked[:4])
        name, made, request = orjson.loads(unpacked[4 : 4 + length])
    except (ValueError, TypeError, ZlibError):
        return None
    if not isinstance(name, str) or not isinstance(made, int) or not isinstance(request, dict):
        return None
    packed = unpacked[4 + length :]
    starts = range(0, len(packed) - _BYTES + 1, _BYTES)
    return (name, made, request), frozenset(int.from_bytes(packed[at : at + _BYTES]) for at in starts)


def _bad(reason: str) -> PydanticCustomError:
    return PydanticCustomError("bad_page", "{reason}", {"reason": reason})
