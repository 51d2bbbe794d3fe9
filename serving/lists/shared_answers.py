"""Answers that one worker has made, for the others: as they were sent, with all by which they still hold.

They lie in memory that has no name (memfd): in no folder, and they are gone with the last process of a
service, however it ends. A worker reads and writes without waiting for another; by a digest it sees what is
half written, or was left so by one that was killed.
"""

import logging
import os
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from serving.experiments.exposure import MadeBy, ShownList

logger = logging.getLogger(__name__)

OFFERED = "SHORTLIST_SHARED_ANSWERS"
"""Environment variable of the workers: where they find that memory."""

_SLOTS, _SLOT_BYTES = 1024, 65_536
"""An answer has one place, by what was asked: what is asked later may take it. 64 MiB at most."""
_LENGTH_BYTES = 4
_HEAD_BYTES = sha256().digest_size + _LENGTH_BYTES


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """An answer of a user's lists, by which any worker can tell whether its own would be the same."""

    moment: str
    """Of what everybody's lists are made, and by which code and params: see `Repeating`."""
    user_id: str
    events: str
    """A digest of the user's events."""
    day: date
    made_at: datetime
    until: datetime
    """Up to then the user's events count as they did."""
    listed_until: float
    """Before then, in seconds since 1970, no item is published or expires."""
    by: MadeBy
    cold: bool
    lists: tuple[ShownList, ...]
    """What is counted and logged of it."""
    headers: tuple[tuple[bytes, bytes], ...]
    route: str
    ignored: tuple[str, ...]
    shown: int | None


def offer() -> None:
    """Let this process's children share their answers, where the system has such memory (Linux)."""
    os.environ.pop(OFFERED, None)
    if not hasattr(os, "memfd_create"):
        return
    try:
        file = os.memfd_create("shortlist-answers")
    except OSError as error:  # as under `vm.memfd_noexec=2`, and in sandboxes
        logger.warning("workers don't share their answers: %s", error)
        return
    os.environ[OFFERED] = f"/proc/{os.getpid()}/fd/{file}"


class SharedAnswers:
    """One per worker. What can't be shared is made by each."""

    def __init__(self, path: str | None = None) -> None:
        """`path` is the memory that others have too; None shares nothing."""
        self._file = None if path is None else _opened(path)

    def find(self, asked: bytes) -> tuple[SharedAnswer, bytes] | None:
        """What a worker, which may be this one, has answered to this, and its body."""
        kept = None if self._file is None else self._read(self._file, asked)
        if kept is None:
            return None
        told, _, body = kept.partition(b"\n")
        try:
            return _codec().validate_json(told), body
        except ValidationError:  # of a worker with other code
            return None

    def keep(self, asked: bytes, answer: SharedAnswer, body: bytes) -> None:
        """Share an answer, if it is not too long."""
        if self._file is None:
            return
        kept = self._told(answer) + b"\n" + body
        if len(kept) > _SLOT_BYTES - _HEAD_BYTES:
            return
        try:
            head = _digest(asked, kept) + len(kept).to_bytes(_LENGTH_BYTES)
            os.pwrite(self._file, head + kept, _place(asked))
        except OSError as error:
            logger.warning("answers are shared with the other workers no more: %s", error)
            self.close()

    def clear(self) -> None:
        """Forget all of them, those of the other workers too."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Share no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _told(answer: SharedAnswer) -> bytes:
        return _codec().dump_json(answer)

    @staticmethod
    def _read(file: int, asked: bytes) -> bytes | None:
        place = _place(asked)
        head = os.pread(file, _HEAD_BYTES, place)
        length = int.from_bytes(head[-_LENGTH_BYTES:])
        kept = os.pread(file, min(length, _SLOT_BYTES), place + _HEAD_BYTES)
        return kept if head[:-_LENGTH_BYTES] == _digest(asked, kept) else None


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        logger.warning("answers are not shared with other workers: %s", error)
        return None


def _digest(asked: bytes, kept: bytes) -> bytes:
    return sha256(sha256(asked).digest() + kept).digest()


def _place(asked: bytes) -> int:
    return int.from_bytes(sha256(asked).digest()[:8]) % _SLOTS * _SLOT_BYTES


@cache
def _codec() -> TypeAdapter[SharedAnswer]:
    return TypeAdapter(SharedAnswer)
