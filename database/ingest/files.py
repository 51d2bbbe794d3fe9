"""Reading files in batches: Parquet, CSV and JSON lines, plain or gzip, told apart by their bytes."""

import ast
import csv
import hashlib
import io
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from database.ingest.chunk import DEFAULT, IngestError, Options, WrongFormatError
from database.ingest.csv_records import DELIMITERS, Broken, Lines, csv_records, csv_rows, delimiter_of
from database.ingest.decoding import ending_on_damage, refusing_damage, starts_with, text_encoding, text_of
from database.ingest.plain_csv import csv_parts

_PARQUET = b"PAR1"
_AGAIN = "write or download the file again"
BATCH = 50_000
_LONGEST_HEADER = 1_000_000
_STATED_DELIMITER = re.compile(r"\ufeff?sep=(.)", re.IGNORECASE)  # what Excel writes before the header
_DELIMITERS_IN_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons"}
_UNREADABLE = "\ufffd"
NO_OBJECT = "not a JSON object"
_LOOK = 20  # lines that a check looks at


@dataclass(frozen=True)
class Batch:
    """Rows `values` (a list a row, or an object a row) of the lines `lines`; refused lines beside them."""

    lines: list[int]
    values: list[Any]
    progress: float
    bad_lines: list[int] = field(default_factory=list)
    bad_reasons: list[str] = field(default_factory=list)
    bad_raws: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines) + len(self.bad_lines)

    def refuse(self, line: int, reason: str, raw: str) -> None:
        """Add a line that is no row."""
        self.bad_lines.append(line)
        self.bad_reasons.append(reason)
        self.bad_raws.append(raw)

    def at(self, progress: float) -> "Batch":
        """The batch as it is when so much of the file is read."""
        return replace(self, progress=progress)


@dataclass(frozen=True)
class Block:
    """Rows of the lines `lines` as columns of texts."""

    lines: range
    columns: list[pa.Array]
    progress: float


@dataclass(frozen=True)
class _Header:
    """First row of a CSV file, what separates its fields, and how many lines it takes."""

    names: list[str]
    delimiter: str
    lines: int


def sha256(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_parquet(path: Path) -> bool:
    """Whether the file is Parquet, by its first bytes."""
    return starts_with(path, _PARQUET)


def is_flat_parquet(path: Path) -> bool:
    """Whether the file is Parquet whose columns hold values, or lists of them, but no objects.

    Raises WrongFormatError when it is damaged.
    """
    return is_parquet(path) and not any(_holds_objects(each.type) for each in _schema(path))


def _holds_objects(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_objects(kind.value_type)
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise WrongFormatError(f"{path}: not a readable Parquet file: {error}; {_AGAIN}") from error


def parquet_columns(path: Path) -> list[str]:
    """Column names of a Parquet file. Raises WrongFormatError when it is damaged."""
    return list(_schema(path).names)


def parquet_rows(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a Parquet file, some at a time. Raises IngestError for a damaged file."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as source:
            for batch in source.iter_batches(batch_size=2 * BATCH, columns=columns):
                yield _plain(path, batch)
    except (pa.ArrowException, OSError) as error:
        raise IngestError(f"{path}: damaged Parquet file: {error}; {_AGAIN}") from error


def parquet_frames(
    path: Path, columns: list[str], texts: Collection[str] = ()
) -> Iterator[tuple[pd.DataFrame, int, float]]:
    """Frames of a Parquet file, the number of their first row (from 1), and the progress after them.

    Columns in `texts` become text in Arrow: in pandas a whole number in a column with nulls is a fraction.
    """
    total, done = max(_rows(path), 1), 0
    for batch in parquet_rows(path, columns):
        frame = _as_text(batch, texts).to_pandas(types_mapper=_text_type)
        yield frame, done + 1, (done + len(frame)) / total
        done += len(frame)


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise IngestError(f"{path}: damaged Parquet file: {error}; {_AGAIN}") from error


def _plain(path: Path, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Every kind of text as one, dictionaries as what they stand for, lists of texts joined by "|"."""
    columns = [_plain_column(path, *pair) for pair in zip(batch.schema.names, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain_column(path: Path, name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        rows = column.cast(pa.list_(pa.string())).to_pylist()
        return pa.array([row and "|".join(filter(None, row)) for row in rows], pa.string())
    if pa.types.is_nested(kind):
        told = f"the column {name} has the type {kind}, which can't be read"
        raise IngestError(f"{path}: {told}; write it as text or numbers, or under another name")
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    tests = (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary)
    return column.cast(pa.string()) if any(test(kind) for test in tests) else column


def _as_text(batch: pa.RecordBatch, names: Collection[str]) -> pa.RecordBatch:
    columns = [
        column.cast(pa.string()) if name in names else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def csv_header(path: Path, options: Options = DEFAULT, encoding: str | None = None) -> list[str]:
    """Names of a CSV file's columns: the stated ones, or its first row.

    Raises WrongFormatError when it is no text, or names a column twice.
    """
    return _header(path, options, encoding).names


def csv_form(path: Path, options: Options = DEFAULT) -> str:
    """What separates a CSV file's fields, in words, and its encoding if that is unusual."""
    mark = _header(path, options).delimiter
    with refusing_damage(path), text_of(path) as (stream, _):
        encoding = "" if stream.encoding.startswith("utf-8") else f", {stream.encoding.upper()}"
    return _DELIMITERS_IN_WORDS.get(mark, f'"{mark}"') + encoding


def _header(path: Path, options: Options = DEFAULT, encoding: str | None = None) -> _Header:
    """The names of a file; where they are no UTF-8, in the encoding that all of it is in."""
    header = _header_in(path, options, encoding or options.encoding)
    if encoding is None and any(_UNREADABLE in name for name in header.names):
        with suppress(IngestError):
            header = _header_in(path, options, text_encoding(path))
    if not options.header:
        refuse_twins(path, header.names)
    return header


def _header_in(path: Path, options: Options, encoding: str | None) -> _Header:
    damage = refusing_damage(path) if encoding is None else ending_on_damage(path)
    with damage, text_of(path, encoding) as (stream, _):
        first = stream.readline(_LONGEST_HEADER)
        skipped = 0
        stated = _STATED_DELIMITER.fullmatch(first.strip())
        if stated is not None:
            first, skipped = stream.readline(_LONGEST_HEADER), 1
        delimiter = stated[1] if stated is not None else delimiter_of(first)
        if options.header:
            delimiter = _fitting(first, delimiter, len(options.header))
            return _Header(list(options.header), delimiter, skipped)
        reader = csv_rows(itertools.chain([first], stream), delimiter, strict=False)
        try:
            names = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise WrongFormatError(f"{path}: not a CSV file: {error}; {_AGAIN}") from error
        lines = skipped + reader.line_num
    return _Header(names, delimiter, lines)


def refuse_twins(path: Path, names: list[str]) -> None:
    """Raise WrongFormatError if two columns have the same name."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        told = f"more than one column is called {', '.join(twice)}"
        raise WrongFormatError(f"{path}: {told}; rename all but one of them in the file")


def _fitting(line: str, delimiter: str, width: int) -> str:
    """The delimiter that makes so many fields of a line; the given one if none does."""
    for mark in (delimiter, *DELIMITERS):
        with suppress(csv.Error, StopIteration):
            if len(next(csv_rows([line], mark))) == width:
                return mark
    return delimiter


def csv_batches(path: Path, encoding: str, options: Options = DEFAULT) -> Iterator[Batch]:
    """Rows after the header, as lists of text. A row with more or fewer fields than the header is refused."""
    header = _header(path, options, encoding)
    with ending_on_damage(path), text_of(path, encoding) as (stream, position):
        lines = itertools.islice(stream, header.lines, None)
        records = csv_records(Lines(lines), header.delimiter, len(header.names))
        yield from batched(((header.lines + number, row) for number, row in records), position)


def csv_blocks(path: Path, encoding: str, options: Options = DEFAULT) -> Iterator[Batch | Block]:
    """As `csv_batches`, but rows that are lines without quotes are columns; many times faster."""
    header = _header(path, options, encoding)
    with ending_on_damage(path), text_of(path, encoding) as (stream, position):
        for _ in range(header.lines):
            stream.readline()
        for part in csv_parts(stream, header.delimiter, len(header.names), 2 * BATCH):
            if isinstance(part, tuple):
                first, columns = header.lines + part[0], part[1]
                yield Block(range(first, first + len(columns[0])), columns, position())
            else:
                rows = ((header.lines + number, row) for number, row in part)
                yield from (batch.at(position()) for batch in batched(rows, position))


def batched(rows: Iterable[tuple[int, Any]], progress: Callable[[], float]) -> Iterator[Batch]:
    """Rows with their lines, some at a time; one that is Broken is refused.

    Args:
        rows: line and row of each.
        progress: how much of the file is read by now, 0..1.
    """
    batch = Batch([], [], 0.0)
    for line, row in rows:
        if isinstance(row, Broken):
            batch.refuse(line, row.reason, row.raw)
        else:
            batch.lines.append(line)
            batch.values.append(row)
        if len(batch) >= BATCH:
            yield batch.at(progress())
            batch = Batch([], [], 0.0)
    yield batch.at(1.0)


def first_objects(path: Path) -> list[dict[str, Any]]:
    """The objects in a JSON-lines file's first lines. Raises WrongFormatError when the very first is none."""
    found: list[dict[str, Any]] = []
    with refusing_damage(path), text_of(path) as (stream, _):
        for line in stream:
            if line.strip():
                value = _object(line)
                if value is None and not found:
                    raise WrongFormatError(f"{path}: not one JSON object a line")
                found += [value] if value is not None else []
            if len(found) == _LOOK:
                break
    if not found:
        raise WrongFormatError(f"{path}: the file is empty", 0.0)
    return found


def object_batches(path: Path, encoding: str) -> Iterator[Batch]:
    """Objects of a JSON-lines file; a line may also be a Python literal. Other lines are refused."""
    with ending_on_damage(path), text_of(path, encoding) as (stream, position):
        lines = ((number, line) for number, line in enumerate(stream, start=1) if line.strip())
        objects = (
            (number, Broken(NO_OBJECT, line.rstrip("\n")) if (value := _object(line)) is None else value)
            for number, line in lines
        )
        yield from batched(objects, position)


def _object(line: str) -> dict[str, Any] | None:
    """The object that a line holds, JSON first, then a Python literal as in the 2014 metadata."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = ast.literal_eval(line.strip())
            orjson.dumps(value, default=str)  # refuses text that is no valid Unicode
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def raw_row(fields: list[str]) -> str:
    """A row of fields as one CSV line."""
    line = io.StringIO()
    csv.writer(line).writerow(fields)
    return line.getvalue().removesuffix("\r\n")


def _text_type(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Keep text in Arrow; numbers and times become NumPy columns."""
    return pd.ArrowDtype(pa.string()) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None
