"""Files of a shop's own making: CSV (plain or gzip) or Parquet, with columns that are known by name.

A file is gone through twice: once to learn how it writes numbers, ids and ratings, then to read them. The
text of a CSV is split into fields once, and waits in a temporary file.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa

from database.ingest.chunk import Chunk, Options, WrongFormat, rejected_frame
from database.ingest.conventions import Columns, Conventions, Learner
from database.ingest.decoding import encoding_notes, text_encoding
from database.ingest.files import (
    csv_batches,
    csv_header,
    is_parquet,
    parquet_columns,
    parquet_frames,
    parquet_rows,
    raw_row,
)

ToChunk = Callable[[pd.DataFrame, list[int], float, Conventions], Chunk]
"""Makes a chunk of some rows, the lines that they stand in, how much of the file is read by now, and how."""

_MOST_NAMED = 20
_LINE = "\x1fline"  # no column of a CSV is called so


def columns(path: Path) -> list[str]:
    """Names of the file's columns, in its order."""
    return parquet_columns(path) if is_parquet(path) else csv_header(path)


def read_rows(path: Path, told: Columns, to_chunk: ToChunk, options: Options) -> Iterator[Chunk]:
    """The file's rows in chunks; lines that are no row are refused with them.

    Args:
        path: of the file.
        told: what its columns hold; Parquet's others are left unread.
        to_chunk: makes a chunk of rows that could be read.
        options: what the file does not tell.
    """
    learner = Learner(told, options)
    if is_parquet(path):
        kept = [name for name in parquet_columns(path) if name in told.read]
        for rows in parquet_rows(path, [name for name in kept if name in told.telling]):
            learner.look(rows)
        conventions = learner.conclude()
        yield Chunk(0, 0.0, notes=conventions.notes)
        for frame, first, progress in parquet_frames(path, kept, told.texts):
            yield to_chunk(frame, list(range(first, first + len(frame))), progress, conventions)
        return
    with tempfile.TemporaryFile() as spool:
        yield from _split(path, spool, learner, options)
        conventions = learner.conclude()
        yield Chunk(0, 0.5, notes=conventions.notes)
        size = max(spool.tell(), 1)
        spool.seek(0)
        with pa.ipc.open_stream(spool) as reader:
            for rows in reader:
                frame = rows.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
                lines = frame.pop(_LINE).to_list()
                yield to_chunk(frame, lines, 0.5 + 0.5 * spool.tell() / size, conventions)


def require(path: Path, needed: Sequence[str], kind: str) -> list[str]:
    """Names of the file's columns. Raises WrongFormat, with those that are there, if a needed one is not."""
    names = columns(path)
    missing = [name for name in needed if name not in names]
    if missing:
        there = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        raise WrongFormat(
            f"{path}: not {kind}: no column {', '.join(missing)}; its columns are {there[:500]}"
        )
    return names


def refused(
    frame: pd.DataFrame, lines: list[int], reason: pd.Series, about: Mapping[str, str]
) -> pd.DataFrame:
    """The rows that have a reason, as `rejected_frame` gives them, with what stood in the file.

    `about` names the column that a reason is about; what stood there is the further column "seen".
    """
    bad = reason.notna().to_numpy()
    raws = [raw_row(["" if pd.isna(field) else str(field) for field in row]) for row in frame[bad].to_numpy()]
    found = rejected_frame([lines[row] for row in np.flatnonzero(bad)], list(reason[bad]), raws)
    seen = pd.Series(None, index=frame.index, dtype="str")
    for text, name in about.items():
        if name in frame:
            seen = seen.mask(reason == text, frame[name].astype("str"))
    return found.assign(seen=seen[bad].to_numpy())


def _split(path: Path, spool: IO[bytes], learner: Learner, options: Options) -> Iterator[Chunk]:
    """Write a CSV's fields to the spool and learn from them; gives the lines that are no row."""
    encoding = text_encoding(path, options.encoding)
    yield Chunk(0, 0.0, notes=encoding_notes(encoding))
    header = csv_header(path)
    schema = pa.schema([*((name, pa.string()) for name in header), (_LINE, pa.int64())])
    with pa.ipc.new_stream(spool, schema) as writer:
        for batch in csv_batches(path, encoding):
            if batch.values:
                fields = [pa.array(column, pa.string()) for column in zip(*batch.values, strict=True)]
                rows = pa.RecordBatch.from_arrays([*fields, pa.array(batch.lines, pa.int64())], schema=schema)
                writer.write_batch(rows)
                learner.look(rows)
            bad = rejected_frame(batch.bad_lines, batch.bad_reasons, batch.bad_raws)
            yield Chunk(len(bad), batch.progress / 2, rejected=bad)
