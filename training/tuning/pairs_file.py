"""Files of who had what: LightGCN's lines, or rows of user, item, rating, time."""

import codecs
import gzip
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from training.errors import TrainingError
from training.models.core.types import BoolArray, BytesArray, DoubleArray

ROW_FIELDS = ("user", "item", "rating", "time")
USER_NAME, ITEM_NAMES = b"user", (b"item", b"product", b"movie", b"asin")
GZIP = b"\x1f\x8b"


class PairsFileError(TrainingError):
    """A file holds nothing to use, or bad lines where none are allowed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, by its number (from 1) and what is wrong with it."""

    number: int
    reason: str


@dataclass(frozen=True)
class Pairs:
    """What a file holds, in its order: equally long arrays."""

    users: BytesArray
    items: BytesArray
    ratings: DoubleArray | None
    times: DoubleArray | None
    """As the file counts them; None when it has none."""
    bad: tuple[BadLine, ...]
    empty_users: int
    """Lines of LightGCN's format that hold a user and no item: allowed, they say nothing."""

    def __len__(self) -> int:
        return len(self.users)

    def where(self, kept: BoolArray) -> "Pairs":
        """The pairs where `kept` (bool[len(self)]) is true."""
        return replace(
            self,
            users=self.users[kept],
            items=self.items[kept],
            ratings=None if self.ratings is None else self.ratings[kept],
            times=None if self.times is None else self.times[kept],
        )


@dataclass
class _Rows:
    users: list[bytes] = field(default_factory=list)
    items: list[bytes] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    empty_users: int = 0


def read_pairs(path: Path) -> Pairs:
    """Read a file of pairs.

    A first line with a comma or a tab makes it rows `user,item[,rating[,time]]` (as many fields in each as
    in the first, and a first row whose first field is "user" or begins with "user" is a header); any
    other file is LightGCN's: a user and that user's items, whole numbers, one user a line. Empty lines
    are passed over. Lines that are neither are left out and named in `bad`. A gzip file is unpacked.

    Raises PairsFileError when not one line can be used, or a header names the item before the user.
    """
    lines = _content(path).splitlines()
    first = next((line for line in lines if line.strip()), b"")
    if not first:
        raise PairsFileError(path, "the file is empty")
    separator = next((mark for mark in (b",", b"\t") if mark in first), None)
    rows = _Rows()
    width = 2
    if separator is None:
        _read_lists(lines, rows)
    else:
        width = first.count(separator) + 1
        if not 2 <= width <= len(ROW_FIELDS):
            raise PairsFileError(path, f"{width} fields per row, expected {', '.join(ROW_FIELDS)}")
        names = [value.strip().strip(b'"').lower() for value in first.split(separator)]
        if names[0].startswith(ITEM_NAMES) and names[1].startswith(USER_NAME):
            raise PairsFileError(path, "the header has item before user; expected user, item")
        _read_rows(lines, separator, width, rows)
    if not rows.users:
        reason = f"; line {rows.bad[0].number}: {rows.bad[0].reason}" if rows.bad else ""
        raise PairsFileError(path, f"no usable line{reason}")
    numbers = np.array(rows.numbers, dtype=np.float64) if width > 2 else None
    return Pairs(
        np.array(rows.users),
        np.array(rows.items),
        numbers[:, 0] if numbers is not None else None,
        numbers[:, 1] if numbers is not None and width == len(ROW_FIELDS) else None,
        tuple(rows.bad),
        rows.empty_users,
    )


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise PairsFileError(path, f"a gzip file that can't be unpacked: {error}") from error
    return content.removeprefix(codecs.BOM_UTF8)


def _read_lists(lines: Iterable[bytes], rows: _Rows) -> None:
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        wrong = next((value for value in fields if not value.isdigit()), None)
        if wrong is not None:
            rows.bad.append(BadLine(number, f"{_shown(wrong)} is not a whole number"))
            continue
        rows.empty_users += len(fields) == 1
        # 007 is 7.
        user, *items = (value.lstrip(b"0") or b"0" for value in fields)
        rows.users.extend([user] * len(items))
        rows.items.extend(items)


def _read_rows(lines: Iterable[bytes], separator: bytes, width: int, rows: _Rows) -> None:
    started = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = [value.strip().strip(b'"') for value in line.split(separator)]
        header = not started and fields[0].lower().startswith(USER_NAME) and not _numbers(fields[2:])
        header = header and fields[1].lower().startswith(ITEM_NAMES)
        started = True
        if header:
            continue
        numbers = _numbers(fields[2:])
        if len(fields) != width:
            rows.bad.append(BadLine(number, f"{len(fields)} fields, not {width}"))
        elif not fields[0] or not fields[1]:
            rows.bad.append(BadLine(number, "the user or the item is missing"))
        elif numbers is None:
            shown = " and ".join(_shown(value) for value in fields[2:])
            rows.bad.append(BadLine(number, f"rating and time must be numbers: {shown}"))
        else:
            rows.users.append(fields[0])
            rows.items.append(fields[1])
            rows.numbers.append(numbers)


def _numbers(fields: list[bytes]) -> list[float] | None:
    try:
        values = [float(value) for value in fields]
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def _shown(value: bytes) -> str:
    return repr(value[:40].decode(errors="replace"))
