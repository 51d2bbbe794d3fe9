"""The interactions of a snapshot as arrays, read in batches: their texts are never in memory all at once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from database import columns
from database.interactions import FULL_VIEW_SECONDS
from training.models.core.types import BoolArray, FloatArray, IntArray, LongArray
from training.models.core.vocabulary import Vocabulary
from training.params.learning import InteractionsParams

BATCH = 1 << 18
"""Rows read at a time."""

_READ = (
    columns.INTERACTION_ID,
    columns.USER_ID,
    columns.ITEM_ID,
    columns.EVENT_TYPE,
    columns.VALUE,
    columns.WEIGHT,
    columns.SESSION_ID,
    columns.OCCURRED_AT,
)


@dataclass(frozen=True)
class InteractionRows:
    """Interactions with known items, in order of whole seconds and id; equally long arrays."""

    user: IntArray
    """int32[n]; -1 where nobody knows."""
    item: IntArray
    """int32[n]."""
    weight: FloatArray
    """Signed strength, float32[n]."""
    time: LongArray
    """Seconds since 1970, int64[n]."""
    session: LongArray
    """A number for each session's id, int64[n]; 0 where there is none."""


def read_rows(
    path: Path, items: Vocabulary, interactions: InteractionsParams
) -> tuple[Vocabulary, InteractionRows]:
    """Read a snapshot's interactions, and the vocabulary of their users.

    Args:
        path: interactions.parquet.
        items: rows with other items are left out.
        interactions: what an event weighs.
    """
    known = _values(items)
    users = _users(path, known)
    found = _fill(path, known, users, interactions)
    ids = found.pop("id")
    if not _ordered(found["time"], ids):
        order = np.lexsort((ids, found["time"]))
        del ids
        for name in found:
            found[name] = found[name][order]
    return users, InteractionRows(**found)


def positions(ids: Any, known: Any) -> Any:
    """int32 place among `known` (distinct) of each id of an Arrow column; -1 for null and others."""
    return pc.fill_null(pc.index_in(ids, value_set=known), -1)


def to_seconds(times: Any) -> Any:
    """Whole seconds since 1970 (int64) of an Arrow column of times."""
    whole = pc.floor_temporal(times, unit="second")
    return pc.cast(pc.cast(whole, pa.timestamp("s", tz=times.type.tz)), pa.int64())


def event_weights(table: Any, interactions: InteractionsParams) -> FloatArray:
    """Signed weight of each event, float32[n], by the rule of `InteractionsParams`."""
    if not len(table):
        return np.zeros(0, np.float32)
    per_type = interactions.weights.model_dump()
    kinds = table.column(columns.EVENT_TYPE).combine_chunks().dictionary_encode()
    by_code = np.array([per_type.get(name, 0.0) for name in kinds.dictionary.to_pylist()], dtype=np.float64)
    weight = by_code[kinds.indices.to_numpy()]
    if columns.WEIGHT in table.column_names:
        own = pc.fill_null(pc.cast(table.column(columns.WEIGHT), pa.float64()), np.nan).to_numpy()
        weight = np.where(np.isnan(own), weight, own)
    rating = pc.equal(table.column(columns.EVENT_TYPE), "rating").to_numpy()
    feedback = pc.equal(table.column(columns.EVENT_TYPE), "feedback").to_numpy()
    view = pc.equal(table.column(columns.EVENT_TYPE), "view_time").to_numpy()
    seconds = pc.fill_null(table.column(columns.VALUE), FULL_VIEW_SECONDS).to_numpy()
    stars = pc.fill_null(table.column(columns.VALUE), interactions.neutral_stars).to_numpy()
    sign = np.sign(pc.fill_null(table.column(columns.VALUE), 0.0).to_numpy())
    weight = np.where(rating, weight * (stars - interactions.neutral_stars), weight)
    weight = np.where(view, weight * np.clip(seconds / FULL_VIEW_SECONDS, 0, 1), weight)
    weights: FloatArray = np.where(feedback, weight * sign, weight).astype(np.float32)
    return weights


def _values(vocabulary: Vocabulary) -> Any:
    """The ids as an Arrow array, in their order."""
    return pa.array([value.decode() for value in vocabulary.ids.tolist()], pa.string())


def _batches(path: Path, known: Any, wanted: tuple[str, ...]) -> Iterator[Any]:
    """Tables of the rows with known items, with their places in the column "item"."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        there = file.schema_arrow.names  # a snapshot of 0.1.0 has no weights
        for batch in file.iter_batches(BATCH, columns=[name for name in wanted if name in there]):
            table = pa.Table.from_batches([batch])
            table = table.append_column("item", positions(table.column(columns.ITEM_ID), known))
            yield table.filter(pc.greater_equal(table.column("item"), 0))


def _users(path: Path, known: Any) -> Vocabulary:
    found = pa.array([], pa.string())
    for table in _batches(path, known, (columns.USER_ID, columns.ITEM_ID)):
        fresh = pc.unique(table.column(columns.USER_ID)).drop_null()
        fresh = fresh.filter(pc.invert(pc.is_in(fresh, value_set=found)))
        found = pa.concat_arrays([found, fresh])
    return Vocabulary.build(found.to_pylist())


def _fill(path: Path, known: Any, users: Vocabulary, interactions: InteractionsParams) -> dict[str, Any]:
    """The arrays of `InteractionRows`, and "id", in the order of the file."""
    total = pq.read_metadata(path).num_rows
    kinds: dict[str, Any] = {"user": np.int32, "item": np.int32, "weight": np.float32}
    kinds |= {"time": np.int64, "session": np.int64, "id": np.int64}
    filled: dict[str, Any] = {name: np.empty(total, dtype=kind) for name, kind in kinds.items()}
    known_users = _values(users)
    done = 0
    for table in _batches(path, known, _READ):
        span = slice(done, done + len(table))
        filled["user"][span] = positions(table.column(columns.USER_ID), known_users).to_numpy()
        filled["item"][span] = table.column("item").to_numpy()
        filled["weight"][span] = event_weights(table, interactions)
        filled["time"][span] = to_seconds(table.column(columns.OCCURRED_AT)).to_numpy()
        filled["session"][span] = _session_numbers(table.column(columns.SESSION_ID))
        filled["id"][span] = table.column(columns.INTERACTION_ID).to_numpy()
        done += len(table)
    return {name: values[:done] for name, values in filled.items()}


def _session_numbers(ids: Any) -> LongArray:
    """A number other than 0 for each text, int64[n]; 0 for null.

    The first eight bytes of a hash: of 30 million sessions, two have the same number in one case of 40,000,
    and would then be one basket. The texts themselves do not fit into memory.
    """
    encoded = ids.combine_chunks().dictionary_encode()
    codes: IntArray = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    numbers = [_number(text) for text in encoded.dictionary.to_pylist()]
    # The last place is that of code -1.
    by_code: LongArray = np.array([*numbers, 0], dtype=np.int64)
    return by_code[codes]


def _number(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _ordered(time: LongArray, ids: LongArray) -> bool:
    later: BoolArray = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (ids[1:] > ids[:-1]))
    return bool(later.all())
