"""The catalogues compared for drift: of the snapshot that the deployed bundle was trained on, and today's."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import columns
from database.population import (
    InteractionWeeks,
    catalogue_facts,
    interaction_weeks,
    latest_interaction,
    sampled_vectors,
)
from training.data.workspace import Workspace
from training.models.core.types import DoubleArray, FloatArray, LongArray
from training.params.operating import MonitoringParams
from watch.errors import WatchError

_BATCH = 10_000
"""Items and vectors read at a time."""
_LENGTH = "text_length"
_FACTS = pa.schema(
    {
        columns.CATEGORY: pa.dictionary(pa.int32(), pa.string()),
        columns.PRICE: pa.float64(),
        _LENGTH: pa.int32(),
    }
)


class ReferenceMissingError(WatchError):
    """The snapshot that the serving bundle was learned from is not on this host."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """One side of the comparison: live items."""

    categories: dict[str, int]
    prices: DoubleArray
    text_lengths: DoubleArray
    vectors: FloatArray
    """float32[n, d], a sample."""


def snapshot_files(workspace: Workspace, md5: str) -> dict[str, Path]:
    """Files of the snapshot with DVC's hash `md5`, by name, out of DVC's cache.

    Raises ReferenceMissingError when the cache does not hold it, or not all of it.
    """
    cache = workspace.root / ".dvc" / "cache" / "files" / "md5"
    listing = cache / md5[:2] / md5[2:]
    entries = json.loads(listing.read_text()) if listing.is_file() else []
    files = {entry["relpath"]: cache / entry["md5"][:2] / entry["md5"][2:] for entry in entries}
    if not files or not all(file.is_file() for file in files.values()):
        raise ReferenceMissingError(
            f"snapshot {md5} of the bundle in service is not in {cache}: fetch it from a DVC remote, or "
            "start daily_training with force, whose bundle has a snapshot of its own"
        )
    return files


def read_snapshot(files: dict[str, Path], params: MonitoringParams, seed: int) -> Catalogue:
    """The catalogue of a snapshot, read in batches: the texts are never in memory together."""
    generator = np.random.default_rng(seed)
    facts = pa.Table.from_batches(_facts(files["items.parquet"]), _FACTS)
    total = pq.read_metadata(files["embeddings.parquet"]).num_rows
    # Sorted, as the file is read once from its beginning to its end.
    chosen = np.sort(generator.permutation(total)[: params.embedding_rows])
    return Catalogue(
        categories=_counts(facts[columns.CATEGORY]),
        prices=_sample(facts[columns.PRICE].drop_null(), params.sample_rows, generator),
        text_lengths=_sample(facts[_LENGTH], params.sample_rows, generator),
        vectors=_matrix(_vectors(files["embeddings.parquet"], chosen)),
    )


def read_catalogue(conn: Connection, params: MonitoringParams) -> Catalogue:
    """The database's catalogue."""
    found = catalogue_facts(conn, params.sample_rows)
    return Catalogue(
        categories=found.categories,
        prices=np.array(found.prices, dtype=np.float64),
        text_lengths=np.array(found.text_lengths, dtype=np.float64),
        vectors=_matrix(sampled_vectors(conn, params.embedding_rows)),
    )


def read_weeks(conn: Connection, now: datetime, params: MonitoringParams) -> InteractionWeeks:
    """The interactions of whole days (UTC) up to the newest one that is over.

    A day without any event is a day. Only where nothing has happened for as long as the newest week is
    compared with, as in files of earlier years, the days end with the last interaction.
    """
    latest = latest_interaction(conn, now) or now
    end = now if now - latest < timedelta(weeks=params.earlier_weeks) else latest
    end = end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # As many weeks again before those compared: each week's items are ranked by the weeks before it.
    return interaction_weeks(conn, end, 2 * params.earlier_weeks + 1)


def _facts(path: Path) -> Iterator[pa.RecordBatch]:
    """Of each item with a title, what is compared: its category, its price, and how long its texts are."""
    wanted = [columns.TITLE, columns.DESCRIPTION, columns.CATEGORY, columns.PRICE]
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH, columns=wanted):
            items = batch.filter(pc.is_valid(batch[columns.TITLE]))
            described = pc.fill_null(pc.utf8_length(items[columns.DESCRIPTION]), 0)
            facts = [
                pc.fill_null(items[columns.CATEGORY], "").dictionary_encode(),
                items[columns.PRICE].cast(pa.float64()),
                pc.add(pc.utf8_length(items[columns.TITLE]), described),
            ]
            yield pa.record_batch(facts, schema=_FACTS)


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(column)
    names, numbers = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return dict(zip(names, numbers, strict=True))


def _sample(column: pa.ChunkedArray, size: int, generator: np.random.Generator) -> DoubleArray:
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    return values if len(values) <= size else generator.choice(values, size, replace=False)


def _vectors(path: Path, chosen: LongArray) -> list[bytes]:
    """The vectors of some rows (ascending), read in batches: of the others none is kept."""
    found: list[bytes] = []
    start = 0
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH, columns=[columns.VECTOR]):
            inside = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
            found += batch.column(columns.VECTOR).take(pa.array(inside)).to_pylist()
            start += len(batch)
    return found


def _matrix(vectors: list[bytes]) -> FloatArray:
    """float32[n, d]; while another encoder's vectors replace the old ones, those of one length only."""
    lengths = Counter(map(len, vectors))
    usual = max(lengths, key=lambda length: (lengths[length], length), default=0)
    if not usual:
        return np.zeros((0, 0), dtype=np.float32)
    return np.vstack([np.frombuffer(each, dtype="<f4") for each in vectors if len(each) == usual])
