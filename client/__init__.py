"""A typed client for Shortlist: `Shortlist` (blocking) and `AsyncShortlist`, with the same methods."""

from client.asynchronous import AsyncShortlist
from client.blocking import Shortlist
from client.errors import NotFound, RequestRefused, ServiceFailed, ShortlistError

__all__ = ["AsyncShortlist", "NotFound", "RequestRefused", "ServiceFailed", "Shortlist", "ShortlistError"]
