"""The two populations compared for drift: the training snapshot of the deployed bundle, and current data."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import columns
from database.population import activity_facts, catalogue_facts, latest_interaction, sampled_vectors
from training.data.workspace import Workspace
from training.models.core.types import DoubleArray, FloatArray
from training.params.operating import MonitoringParams


class ReferenceMissingError(Exception):
    """The snapshot that the serving bundle was learned from is not on this host."""


@dataclass(frozen=True, eq=False)
class Population:
    """One side of the comparison."""

    categories: dict[str, int]
    prices: DoubleArray
    text_lengths: DoubleArray
    events: dict[str, int]
    items: dict[str, int]
    """Interactions of the window, by item."""
    activity: DoubleArray
    """Interactions of the window, of each user who had any."""
    vectors: FloatArray
    """float32[n, d], a sample."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The snapshot's population, with what makes the other one comparable."""

    population: Population
    earlier: dict[str, int]
    """Interactions by item before the window: what items are ranked by, for both sides."""
    window: timedelta


def snapshot_files(workspace: Workspace, md5: str) -> dict[str, Path]:
    """Files of the snapshot with DVC's hash `md5`, by name, out of DVC's cache.

    Raises:
        ReferenceMissingError: the cache does not hold it.
    """
    cache = workspace.root / ".dvc" / "cache" / "files" / "md5"
    listing = cache / md5[:2] / md5[2:]
    if not listing.is_file():
        raise ReferenceMissingError(f"snapshot {md5} is not in {cache}")
    entries = json.loads(listing.read_text())
    return {entry["relpath"]: cache / entry["md5"][:2] / entry["md5"][2:] for entry in entries}


def read_reference(files: dict[str, Path], params: MonitoringParams, seed: int) -> Reference:
    """The population of a snapshot; its window ends with its last interaction.

    It is `window_days` long, or as long as the snapshot's history when that is shorter.
    """
    generator = np.random.default_rng(seed)
    wanted = [columns.TITLE, columns.DESCRIPTION, columns.CATEGORY, columns.PRICE]
    items = pq.read_table(files["items.parquet"], columns=wanted)
    items = items.filter(pc.is_valid(items[columns.TITLE]))
    lengths = pc.add(
        pc.utf8_length(items[columns.TITLE]), pc.fill_null(pc.utf8_length(items[columns.DESCRIPTION]), 0)
    )
    events = pq.read_table(
        files["interactions.parquet"],
        columns=[columns.USER_ID, columns.ITEM_ID, columns.EVENT_TYPE, columns.OCCURRED_AT],
    )
    within, before, window = _window(events, timedelta(days=params.window_days))
    vectors = pq.read_table(files["embeddings.parquet"], columns=[columns.VECTOR])[columns.VECTOR]
    chosen = generator.permutation(len(vectors))[: params.embedding_rows]
    population = Population(
        categories=_counts(pc.fill_null(items[columns.CATEGORY], "")),
        prices=_sample(items[columns.PRICE].drop_null(), params.sample_rows, generator),
        text_lengths=_sample(lengths, params.sample_rows, generator),
        events=_counts(within[columns.EVENT_TYPE]),
        items=_counts(within[columns.ITEM_ID].drop_null()),
        activity=_doubles(_counts(within[columns.USER_ID].drop_null()).values()),
        vectors=_matrix(vectors.take(pa.array(np.sort(chosen))).to_pylist()),
    )
    return Reference(population, _counts(before[columns.ITEM_ID].drop_null()), window)


def read_now(conn: Connection, now: datetime, window: timedelta, params: MonitoringParams) -> Population:
    """The database's population; its window ends with the last interaction up to `now`."""
    catalogue = catalogue_facts(conn, params.sample_rows)
    activity = activity_facts(conn, latest_interaction(conn, now) or now, window)
    return Population(
        categories=catalogue.categories,
        prices=_doubles(catalogue.prices),
        text_lengths=_doubles(catalogue.text_lengths),
        events=activity.events,
        items=activity.items,
        activity=_doubles(activity.activity),
        vectors=_matrix(sampled_vectors(conn, params.embedding_rows)),
    )


def _window(events: pa.Table, longest: timedelta) -> tuple[pa.Table, pa.Table, timedelta]:
    if not len(events):
        return events, events, longest
    bounds = pc.min_max(events[columns.OCCURRED_AT]).as_py()
    window = min(longest, bounds["max"] - bounds["min"] or longest)
    start = pa.scalar(bounds["max"] - window, events[columns.OCCURRED_AT].type)
    recent = pc.greater(events[columns.OCCURRED_AT], start)
    return events.filter(recent), events.filter(pc.invert(recent)), window


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(column)
    names, numbers = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return dict(zip(names, numbers, strict=True))


def _sample(column: pa.ChunkedArray, size: int, generator: np.random.Generator) -> DoubleArray:
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    return values if len(values) <= size else generator.choice(values, size, replace=False)


def _doubles(values: object) -> DoubleArray:
    return np.array(list(values), dtype=np.float64)  # type: ignore[call-overload]


def _matrix(vectors: list[bytes]) -> FloatArray:
    if not vectors:
        return np.zeros((0, 0), dtype=np.float32)
    return np.vstack([np.frombuffer(vector, dtype="<f4") for vector in vectors]).astype(np.float32)
