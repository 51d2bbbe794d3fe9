"""What a request and the lists made for it have to tell each other: its id, and which bundle answered."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from database.state import UserEvents

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Request:
    """One request under way. The middleware makes it; the plane fills in what answered."""

    request_id: str
    """The client's, if it sent one: it may come twice."""
    bundle_id: str | None = None
    """The bundle that its list was made with; None while no list was made."""
    stale: bool = False
    """Whether it was answered before a large change of the catalogue was wholly applied."""
    words_only: bool = False
    """Whether its texts were compared by words alone, for want of the embedding model."""
    ignored: tuple[str, ...] = ()
    """Its query and body fields that its endpoint does not have."""
    stranger: str | None = None
    """The client's address, where it has no key and is not on this machine."""
    from_page: bool = False
    """Whether its key stands in a page, where anybody can read it."""
    headers_only: bool = False
    """Whether only the answer's headers go out: nobody sees the lists that it is made of."""
    shown: int | None = None
    """How many items of each list its page shows, as the client says; None where it does not."""
    credited: bool = False
    """Whether its answer tells its id: a click may name it, on any item of its lists."""
    again: Callable[[], Awaitable[bool]] | None = None
    """Asks whether the lists made for it are still what would be made, and if so counts and logs them anew;
    None where that can't be told. For an answer of one such list, or of one home page."""
    share: Callable[[bytes, Headers, str, bytes], None] | None = None
    """Lets other workers send its answer too: takes what was asked, the answer's headers, its route's path,
    and its body. None where they can't tell for how long it holds."""
    read: tuple[str, UserEvents] | None = None
    """A user, and their events as they were just read for it: its lists are made of these."""
    answer_id: UUID = field(default_factory=uuid4)
    """By this its lists are found together in the log."""


current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)
"""The request that the running task answers; None outside of one."""
