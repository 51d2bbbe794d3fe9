"""A typed client for Shortlist: `Shortlist` (blocking) and `AsyncShortlist`, with the same methods."""

from client.asynchronous import AsyncShortlist
from client.blocking import Shortlist
from client.errors import (
    AnswerUnreadable,
    NotFound,
    RequestRefused,
    ServiceFailed,
    ShortlistError,
    TooManyRequests,
)

__all__ = [
    "AnswerUnreadable",
    "AsyncShortlist",
    "NotFound",
    "RequestRefused",
    "ServiceFailed",
    "Shortlist",
    "ShortlistError",
    "TooManyRequests",
]
