"""Files of a shop's own making as tables of texts, told apart by content: CSV, JSON, XML, spreadsheets, and
Parquet of objects."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from database.ingest.chunk import Options, WrongFormatError
from database.ingest.csv_records import Broken
from database.ingest.decoding import bytes_of, encoding_notes, refusing_damage, text_encoding
from database.ingest.files import (
    NO_OBJECT,
    Batch,
    Block,
    batched,
    csv_blocks,
    csv_form,
    csv_header,
    is_parquet,
    refuse_twins,
)
from database.ingest.objects import OUTER, Row, json_rows, parquet_rows, xml_rows
from database.ingest.sheets import is_sheet, sheet_rows

_LOOK = 50  # rows that a check looks at
_Rows = Callable[[], Iterator[tuple[int, Row | str, float]]]


@dataclass(frozen=True)
class Table:
    """Names of the columns, how the file was read, and its rows: lists of texts in the columns' order, or the
    columns."""

    names: list[str]
    notes: tuple[str, ...]
    batches: Callable[[], Iterator[Batch | Block]]


def table_columns(path: Path, options: Options) -> list[str]:
    """Names of a file's columns, as far as its beginning shows.

    Raises WrongFormatError when it is no table.
    """
    form = _form(path)
    if form == "csv":
        return csv_header(path, options)
    with refusing_damage(path):
        if form == "sheet":
            return _sheet(path, options).names
        if form == "xml":
            rows = xml_rows(path)
        else:
            rows = parquet_rows(path) if form == "parquet" else json_rows(path, None)
        names = _fields(row for _, row, _ in itertools.islice(rows, _LOOK)).names
    if not names:
        raise WrongFormatError(
            f"{path}: no rows with fields in this {form.upper()}; each row must be an object"
        )
    return names


def open_table(path: Path, options: Options) -> Table:
    """A file as a table; text in an unusual encoding is said.

    Raises WrongFormatError when it is no table; IngestError when it is damaged, or mixes encodings.
    """
    form = _form(path)
    if form == "sheet":
        return _sheet(path, options)
    if form == "xml":
        return _objects(lambda: xml_rows(path), "XML", ())
    if form == "parquet":
        return _objects(lambda: parquet_rows(path), "Parquet of objects", ())
    encoding = text_encoding(path, options.encoding)
    notes = encoding_notes(encoding)
    if form == "json":
        return _objects(lambda: json_rows(path, encoding), "JSON", notes)
    return Table(csv_header(path, options, encoding), notes, lambda: csv_blocks(path, encoding, options))


def form_in_words(path: Path, options: Options) -> str:
    """What the file looks like: "text separated by semicolons, UTF-16", "JSON", "an XML feed"."""
    form = _form(path)
    if form != "csv":
        return {"sheet": "a spreadsheet", "parquet": "Parquet", "json": "JSON", "xml": "an XML feed"}[form]
    return f"text separated by {csv_form(path, options)}"


def _form(path: Path) -> str:
    if is_sheet(path):
        return "sheet"
    if is_parquet(path):
        return "parquet"
    with refusing_damage(path), bytes_of(path) as (stream, _):
        beginning = stream.peek(64)[:64].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    return {b"{": "json", b"[": "json", b"<": "xml"}.get(beginning[:1], "csv")


@dataclass(frozen=True)
class _Fields:
    """The fields that rows of objects have.

    `shared` are those that an object without rows in it has as its own, and other objects around their rows:
    of an event that names no items, say. They are columns of what is around a row alone.
    """

    names: list[str]
    shared: frozenset[str]

    def of(self, row: Row) -> list[str | None]:
        """The row's values, in the order of `names`."""
        own = {f"{OUTER}{name}": row[name] for name in self.shared & row.keys()}
        found = {**own, **row} if own else row
        return [found.get(name) for name in self.names]


def _fields(rows: Iterator[Row | str]) -> _Fields:
    names: dict[str, None] = {}
    alone, inside = set[str](), set[str]()
    for row in rows:
        if not isinstance(row, str):
            names.update(dict.fromkeys(row))
            (inside if any(name.startswith(OUTER) for name in row) else alone).update(row)
    shared = frozenset(name for name in alone - inside if f"{OUTER}{name}" in inside)
    return _Fields([name for name in names if name not in shared], shared)


def _objects(rows: _Rows, form: str, notes: tuple[str, ...]) -> Table:
    """A table of all fields that any object has."""
    known = _fields(row for _, row, _ in rows())

    def batches() -> Iterator[Batch]:
        progress = 0.0

        def fields() -> Iterator[tuple[int, Any]]:
            nonlocal progress
            for number, row, done in rows():
                progress = done
                if isinstance(row, str):
                    yield number, Broken(NO_OBJECT, row)
                else:
                    yield number, known.of(row)

        return batched(fields(), lambda: progress)

    return Table(known.names, (f"read as {form}", *notes), batches)


def _sheet(path: Path, options: Options) -> Table:
    sheet, told, rows = sheet_rows(path, options.sheet)
    numbered = ((number, row) for number, row in enumerate(rows, start=1) if any(row))
    if options.header:
        names = list(options.header)
    else:
        names = [(name or "").strip() for name in next(numbered, (0, []))[1]]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise WrongFormatError(f"{path}: the sheet {sheet} is empty ({told})", 0.0)
    refuse_twins(path, names)

    fields = ((number, [*row[: len(names)], *[None] * (len(names) - len(row))]) for number, row in numbered)
    return Table(names, (told,), lambda: batched(fields, lambda: 0.5))
