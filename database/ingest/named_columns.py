"""Files of a shop's own making: CSV (plain or gzip) or Parquet, with columns that are known by name."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from database.ingest.chunk import Chunk, rejected_frame
from database.ingest.files import (
    csv_batches,
    csv_header,
    is_parquet,
    parquet_columns,
    parquet_frames,
    raw_row,
)

ToChunk = Callable[[pd.DataFrame, list[int], float], Chunk]
"""Makes a chunk of some rows, the lines that they stand in, and how much of the file is read by now."""


def columns(path: Path) -> list[str]:
    """Names of the file's columns, in its order."""
    return parquet_columns(path) if is_parquet(path) else csv_header(path)


def read_rows(
    path: Path, known: Collection[str], texts: Collection[str], to_chunk: ToChunk
) -> Iterator[Chunk]:
    """The file's rows in chunks; lines that are no row are refused with them.

    Args:
        path: of the file.
        known: names of columns that `to_chunk` reads; Parquet's others are left unread.
        texts: those that are texts, whatever type Parquet gives them; all of a CSV are.
        to_chunk: makes a chunk of rows that could be read.
    """
    if is_parquet(path):
        kept = [name for name in parquet_columns(path) if name in known]
        for frame, first, progress in parquet_frames(path, kept, texts):
            yield to_chunk(frame, list(range(first, first + len(frame))), progress)
        return
    header = csv_header(path)
    for batch in csv_batches(path):
        frame = pd.DataFrame(batch.values, columns=header, dtype="str")
        chunk = to_chunk(frame, batch.lines, batch.progress)
        bad = rejected_frame(batch.bad_lines, batch.bad_reasons, batch.bad_raws)
        rejected = pd.concat([bad, chunk.rejected]) if len(bad) else chunk.rejected
        yield replace(chunk, rows=chunk.rows + len(bad), rejected=rejected)


def refused(frame: pd.DataFrame, lines: list[int], reason: pd.Series) -> pd.DataFrame:
    """The rows that have a reason, as `rejected_frame` gives them, with what stood in the file."""
    bad = reason.notna().to_numpy()
    raws = [raw_row(["" if pd.isna(field) else str(field) for field in row]) for row in frame[bad].to_numpy()]
    return rejected_frame([lines[row] for row in np.flatnonzero(bad)], list(reason[bad]), raws)
