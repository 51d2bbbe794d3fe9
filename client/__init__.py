"""A typed client for Shortlist: `Shortlist` (blocking) and `AsyncShortlist`, with the same methods."""

from .asynchronous import AsyncShortlist
from .blocking import Shortlist
from .errors import (
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
