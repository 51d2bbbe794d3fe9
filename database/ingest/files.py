"""Reading files in batches: Parquet, CSV and JSON lines, plain or gzip, told apart by their bytes."""

import ast
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from database.ingest.chunk import IngestError, WrongFormat

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_BATCH = 50_000
_LOOK = 20  # lines that a check looks at
_LONGEST_FIELD = 4_000_000


@dataclass(frozen=True)
class Batch:
    """Rows `values` (a list a row, or an object a row) of the lines `lines`; refused lines beside them."""

    lines: list[int]
    values: list[Any]
    progress: float
    bad_lines: list[int] = field(default_factory=list)
    bad_reasons: list[str] = field(default_factory=list)
    bad_raws: list[str] = field(default_factory=list)


def sha256(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether the file begins with these bytes.

    Raises:
        WrongFormat: it is no readable file.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise WrongFormat(f"{path}: {error.strerror}") from error


def is_parquet(path: Path) -> bool:
    """Whether the file is Parquet, by its first bytes."""
    return starts_with(path, _PARQUET)


def parquet_columns(path: Path) -> list[str]:
    """Column names of a Parquet file.

    Raises:
        WrongFormat: it is damaged.
    """
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise WrongFormat(f"{path}: not a readable Parquet file") from error


def parquet_frames(
    path: Path, columns: list[str], texts: Collection[str] = ()
) -> Iterator[tuple[pd.DataFrame, int, float]]:
    """Frames of a Parquet file, the number of their first row (from 1), and the progress after them.

    Columns in `texts` become text in Arrow: in pandas a whole number in a column with nulls is a fraction.
    """
    try:
        with pq.ParquetFile(path) as source:
            total, done = max(source.metadata.num_rows, 1), 0
            for batch in source.iter_batches(batch_size=2 * _BATCH, columns=columns):
                frame = _as_text(batch, texts).to_pandas(types_mapper=_text_type)
                yield frame, done + 1, (done + len(frame)) / total
                done += len(frame)
    except (pa.ArrowException, OSError) as error:
        raise IngestError(f"{path}: damaged Parquet file: {error}") from error


def _as_text(batch: pa.RecordBatch, names: Collection[str]) -> pa.RecordBatch:
    columns = [
        column.cast(pa.string()) if name in names else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def csv_header(path: Path) -> list[str]:
    """First row of a CSV file.

    Raises:
        WrongFormat: it is no text, or names a column twice.
    """
    with _refusing_damage(path), _text(path) as (stream, _):
        try:
            names = [name.strip().lstrip("\ufeff") for name in next(csv.reader(stream), [])]
        except csv.Error as error:
            raise WrongFormat(f"{path}: not a CSV file: {error}") from error
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise WrongFormat(f"{path}: more than one column is called {', '.join(twice)}")
    return names


def csv_batches(path: Path) -> Iterator[Batch]:
    """Rows after the header, as lists of text. A row with more or fewer fields than the header is refused."""
    csv.field_size_limit(_LONGEST_FIELD)
    with _ending_on_damage(path), _text(path) as (stream, position):
        reader = csv.reader(stream)
        width = len(next(reader))
        batch = Batch([], [], 0.0)
        for line, row in _csv_rows(reader):
            if isinstance(row, str) or len(row) != width:
                _refuse(batch, line, row if isinstance(row, str) else f"{len(row)} fields, not {width}", row)
            else:
                batch.lines.append(line)
                batch.values.append(row)
            if len(batch.lines) + len(batch.bad_lines) >= _BATCH:
                yield _at(batch, position())
                batch = Batch([], [], 0.0)
        yield _at(batch, 1.0)


def first_objects(path: Path) -> list[dict[str, Any]]:
    """The objects in a JSON-lines file's first lines.

    Raises:
        WrongFormat: the very first is none.
    """
    found: list[dict[str, Any]] = []
    with _refusing_damage(path), _text(path) as (stream, _):
        for line in stream:
            if line.strip():
                value = _object(line)
                if value is None and not found:
                    raise WrongFormat(f"{path}: not one JSON object a line")
                found += [value] if value is not None else []
            if len(found) == _LOOK:
                break
    if not found:
        raise WrongFormat(f"{path}: empty")
    return found


def object_batches(path: Path) -> Iterator[Batch]:
    """Objects of a JSON-lines file; a line may also be a Python literal. Other lines are refused."""
    with _ending_on_damage(path), _text(path) as (stream, position):
        batch = Batch([], [], 0.0)
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            value = _object(line)
            if value is None:
                _refuse(batch, number, "not a JSON object", line.rstrip("\n"))
            else:
                batch.lines.append(number)
                batch.values.append(value)
            if len(batch.lines) + len(batch.bad_lines) >= _BATCH:
                yield _at(batch, position())
                batch = Batch([], [], 0.0)
        yield _at(batch, 1.0)


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


def _csv_rows(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Line number and row; where the reader fails, its message in the row's place."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"not CSV: {error}"
            continue
        if row:
            yield reader.line_num, row


def _refuse(batch: Batch, line: int, reason: str, raw: list[str] | str) -> None:
    batch.bad_lines.append(line)
    batch.bad_reasons.append(reason)
    batch.bad_raws.append(raw if isinstance(raw, str) else raw_row(raw))


def raw_row(fields: list[str]) -> str:
    """A row of fields as one CSV line."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _at(batch: Batch, progress: float) -> Batch:
    return Batch(batch.lines, batch.values, progress, batch.bad_lines, batch.bad_reasons, batch.bad_raws)


@contextmanager
def _text(path: Path) -> Iterator[tuple[io.TextIOWrapper, Any]]:
    """The file's text, and a function that says how much of its bytes has been read, 0..1."""
    packed = starts_with(path, _GZIP)
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw:
        binary = gzip.GzipFile(fileobj=raw) if packed else raw
        with io.TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="") as stream:
            yield stream, lambda: min(raw.tell() / size, 1.0)


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        raise WrongFormat(f"{path}: not readable: {error}") from error


@contextmanager
def _ending_on_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        raise IngestError(f"{path}: damaged file: {error}") from error


def _text_type(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Keep text in Arrow; numbers and times become NumPy columns."""
    return pd.ArrowDtype(pa.string()) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None
