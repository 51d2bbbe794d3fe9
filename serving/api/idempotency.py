"""The header Idempotency-Key: a write that is sent again with its key is done once, and answered alike.

After the IETF draft "The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header). The
key is stored with what was written, in the same transaction, and kept as long. One that comes while the
first is still under way waits for it. A key is a user's: two users may have the same.
"""

import re
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Depends, Header

from serving.api.errors import ApiError

_KEY = re.compile(r'"([\x20-\x7e]{1,255})"|([!#-~]{1,255})')
_SPACE = UUID("6f1d6a5e-8f0a-4c36-9d3b-2f3c8f0f5b1e")
"""Namespace of the keys' UUIDs."""


async def _stored_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="A UUID for this interaction, in double quotes. A retry with the same key stores "
            "nothing and gets the original response; the same key with a different interaction is "
            "rejected (422).",
            examples=['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
        ),
    ] = None,
) -> UUID | None:
    if key is None:
        return None
    found = _KEY.fullmatch(key.strip())
    if found is None:
        message = "must be 1 to 255 printable characters, in double quotes"
        raise ApiError(400, "bad_request", f"Idempotency-Key: {message}", "Idempotency-Key")
    return uuid5(_SPACE, found[1] or found[2])


IdempotencyKey = Annotated[UUID | None, Depends(_stored_key)]
"""What an interaction is told apart by when it is sent again; None without the header."""
