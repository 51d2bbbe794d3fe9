"""Records of a CSV file, each on its own: one that is broken does not swallow the next."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = (",", ";", "\t", "|", "::")
_STAND_IN = "\x1f"  # for a delimiter of two characters, which the csv module does not know
_ESCAPED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
LONGEST_FIELD = 4_000_000
"""Characters; a longer one breaks its record."""
_LONGEST_ESCAPED = 100  # lines


@dataclass(frozen=True)
class Broken:
    """A record that can't be read: why, and its text."""

    reason: str
    raw: str


class Lines:
    """Lines of a stream; `taken` are those since the last record, which may be given back.

    `number` is that of the next record's first line, from 1.
    """

    def __init__(self, stream: Iterable[str]) -> None:
        self._stream = iter(stream)
        self.returned: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.returned.popleft() if self.returned else next(self._stream)
        self.taken.append(line)
        return line

    def give_back(self, kept: int) -> None:
        """Keep the first of the taken lines; the others are read again."""
        self.returned.extendleft(reversed(self.taken[kept:]))
        del self.taken[kept:]

    def end_record(self) -> None:
        """The taken lines are read for good."""
        self.number += len(self.taken)
        self.taken.clear()


def delimiter_of(header: str) -> str:
    """The character that separates the names in a header line."""
    plain = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=lambda mark: (plain.count(mark), len(mark)))


def csv_rows(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> "Reader":
    """The csv module's reader of lines, for a delimiter of any length."""
    if len(delimiter) > 1:
        single = (line.replace(delimiter, _STAND_IN) for line in lines)
        return csv.reader(single, delimiter=_STAND_IN, strict=strict)
    return csv.reader(lines, delimiter=delimiter, strict=strict)


def csv_records(
    lines: Lines, delimiter: str, width: int, *, returned: bool = False
) -> Iterator[tuple[int, list[str] | Broken]]:
    r"""Each record with the number of its first line; empty lines are no records.

    A record has `width` fields. A quote that is not closed, or closed where no field ends, breaks its own
    line only. `\"` within quotes is a quote where the record can't be read otherwise. With `returned`, it
    ends after the record that takes the last of the lines that were returned.
    """
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv_rows(lines, delimiter)
    while lines.returned or not returned:
        error = None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as failure:
            row, error = [], failure
        record: list[str] | Broken = row
        if len(row) != width or len(lines.taken) > 1:
            record = _mended(lines, row, error, delimiter, width)
            reader = csv_rows(lines, delimiter)
        number = lines.number
        lines.end_record()
        if record != []:
            yield number, record


def _mended(
    lines: Lines, row: list[str], error: csv.Error | None, delimiter: str, width: int
) -> list[str] | Broken:
    """What a record is that failed, has another number of fields, or spans lines."""
    if error is None and (not row or len(row) == width):
        return row
    if '\\"' in lines.taken[0]:
        for count in range(1, min(len(lines.taken), _LONGEST_ESCAPED) + 1):
            text = "".join(lines.taken[:count])
            found = _parsed(_ESCAPED.sub(r'\1""', text), delimiter)
            if found is not None and len(found) == width:
                lines.give_back(count)
                return found
    if error is not None or any(len(_parsed(line, delimiter) or []) == width for line in lines.taken[1:]):
        spans = len(lines.taken) > 1 or '"' in lines.taken[0]
        reason = "a quote is not closed or in the wrong place" if spans else f"not CSV: {error}"
        lines.give_back(1)
    else:
        reason = f"{len(row)} fields, not {width}"
    return Broken(reason, "".join(lines.taken).rstrip("\r\n"))


def _parsed(text: str, delimiter: str) -> list[str] | None:
    """The one record that a text is; None where it is none or several."""
    try:
        rows = list(csv_rows(io.StringIO(text, newline=""), delimiter))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
