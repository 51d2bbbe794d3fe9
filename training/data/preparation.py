"""From a snapshot's tables to the arrays that models read: vocabularies, events, baskets, vectors.

Deleted items, and interactions with them, are left out. What one event weighs comes from params.yaml.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from database import columns
from database.items import embedding_text
from training.data.interaction_rows import InteractionRows, read_rows
from training.data.prepared import Prepared
from training.models.core.data import Catalogue, Events
from training.models.core.types import BoolArray, FloatArray, IntArray
from training.models.core.vocabulary import Vocabulary
from training.params.learning import InteractionsParams

logger = logging.getLogger(__name__)

_VECTORS = 10_000
"""Vectors read at a time."""


def prepare(snapshot: Path, interactions: InteractionsParams, model: str) -> Prepared:
    """Read a snapshot's Parquet files.

    Args:
        snapshot: the folder of the export.
        interactions: what an event weighs.
        model: encoder of the texts that have no vector yet; vectors of another are left out.
    """
    items = pq.read_table(snapshot / "items.parquet")
    if "deleted_at" in items.column_names:
        items = items.filter(pc.is_null(items.column("deleted_at")))
    item_vocabulary = Vocabulary.build(items.column(columns.ITEM_ID).to_pylist())
    user_vocabulary, rows = read_rows(snapshot / "interactions.parquet", item_vocabulary, interactions)
    known = rows.user >= 0
    basket_row, in_basket = _baskets(rows)
    prepared = Prepared(
        items=item_vocabulary,
        users=user_vocabulary,
        events=_events(rows, known),
        basket_item=rows.item[in_basket],
        basket_row=basket_row,
        basket_time=rows.time[in_basket],
        basket_event=_places(known)[in_basket],
        catalogue=_catalogue(items, item_vocabulary),
        vectors=_vectors(snapshot, item_vocabulary, items, model),
        anonymous=_events(rows, ~known),
    )
    logger.info(
        "%d items, %d users, %d events, %d basket lines.",
        len(prepared.items),
        len(prepared.users),
        len(prepared.events),
        len(prepared.basket_item),
    )
    return prepared


def _events(rows: InteractionRows, chosen: BoolArray) -> Events:
    return Events(rows.user, rows.item, rows.weight, rows.time).where(chosen)


def _places(known: BoolArray) -> IntArray:
    """Place of each row among the known ones, int32[n]; -1 for the others."""
    return np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)


def _baskets(rows: InteractionRows) -> tuple[IntArray, BoolArray]:
    """Number the baskets: a user's session or invoice, else what one user did on one day.

    Only events that speak for an item count. Returns (int32[l] basket of each line that is in one, numbered
    in order of their first lines; bool[n] which rows are).
    """
    kept = (rows.weight > 0) & ((rows.session != 0) | (rows.user >= 0))
    session = rows.session[kept]
    with_session = session != 0
    day = rows.time[kept] // 86_400
    # A day is one number and a session another: they are told apart by the third key.
    within = np.where(with_session, session, day)
    shopper = _shoppers(rows)[kept]
    del session, day
    order = np.lexsort((within, shopper, with_session))
    starts = np.empty(len(order), dtype=bool)
    starts[:1] = True
    starts[1:] = _differ(within, order) | _differ(shopper, order) | _differ(with_session, order)
    del within, shopper, with_session
    return _renumber(order, starts), kept


def _differ(keys: Any, order: Any) -> BoolArray:
    """Of keys in an order, whether each but the first differs from the one before."""
    values = keys[order]
    differ: BoolArray = values[1:] != values[:-1]
    return differ


def _renumber(order: Any, starts: BoolArray) -> IntArray:
    """int32[n], the group of each row, in order of the groups' first rows.

    Args:
        order: int64[n], a stable order in which each group's rows follow one another.
        starts: bool[n], whether a row in that order is the first of its group.
    """
    first = order[starts]
    numbers = np.empty(len(first), dtype=np.int32)
    numbers[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    groups = np.empty(len(order), dtype=np.int32)
    groups[order] = np.repeat(numbers, np.diff(np.flatnonzero(np.append(starts, True))))
    return groups


def _shoppers(rows: InteractionRows) -> IntArray:
    """The user whose session each row is of, int32[n]; -1 where nobody knows.

    Many shops number the sessions of each user from 1. An anonymous row belongs to the session's user if
    there is just one, who signed in halfway.
    """
    strangers = np.flatnonzero((rows.user < 0) & (rows.session != 0))
    if not len(strangers):
        return rows.user
    asked, place = np.unique(rows.session[strangers], return_inverse=True)
    known = np.flatnonzero((rows.user >= 0) & np.isin(rows.session, asked))
    at = np.searchsorted(asked, rows.session[known])
    lowest = np.full(len(asked), np.iinfo(np.int32).max, dtype=np.int32)
    highest = np.full(len(asked), -1, dtype=np.int32)
    np.minimum.at(lowest, at, rows.user[known])
    np.maximum.at(highest, at, rows.user[known])
    shoppers = rows.user.copy()
    shoppers[strangers] = np.where(lowest == highest, highest, -1)[place]
    return shoppers


def _catalogue(items: Any, vocabulary: Vocabulary) -> Catalogue:
    order = vocabulary.indexes(items.column(columns.ITEM_ID).to_pylist())
    rows = np.empty(len(order), dtype=np.int64)
    rows[order] = np.arange(len(order))
    aligned = items.take(pa.array(rows))

    def words(column: str) -> tuple[str, ...]:
        return tuple(pc.fill_null(aligned.column(column), "").to_pylist())

    return Catalogue(words(columns.TITLE), words(columns.CATEGORY), words(columns.SUB_CATEGORY))


def _vectors(snapshot: Path, vocabulary: Vocabulary, items: Any, model: str) -> FloatArray:
    """float32[n_items, d], aligned with the vocabulary; texts without a vector of `model` are encoded."""
    index = vocabulary.indexes(items.column(columns.ITEM_ID).to_pylist())
    hashes = dict(zip(index.tolist(), items.column(columns.TEXT_HASH).to_pylist(), strict=True))
    vectors = np.zeros((len(vocabulary), 0), dtype=np.float32)
    there = np.zeros(len(vocabulary), dtype=bool)
    for item, text_hash, vector in _stored_vectors(snapshot / "embeddings.parquet", model):
        place = vocabulary.index(item)
        if place >= 0 and hashes[place] == text_hash:
            if not vectors.shape[1]:
                vectors = np.zeros((len(vocabulary), len(vector) // 4), dtype=np.float32)
            vectors[place] = np.frombuffer(vector, "<f4")
            there[place] = True
    missing = _texts(items, index, skip=there)
    if missing or not vectors.shape[1]:
        encoded, dimension = _encode(missing, model)
        if not vectors.shape[1]:
            vectors = np.zeros((len(vocabulary), dimension), dtype=np.float32)
        for place, values in encoded.items():
            vectors[place] = values
    return vectors


def _stored_vectors(path: Path, model: str) -> Iterator[tuple[str, str, bytes]]:
    """Item, hash of its text, and vector of each row of `model`."""
    wanted = [columns.ITEM_ID, columns.TEXT_HASH, columns.VECTOR]
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_VECTORS, columns=[columns.MODEL, *wanted]):
            rows = batch.filter(pc.equal(batch.column(columns.MODEL), model))
            yield from zip(*(rows.column(name).to_pylist() for name in wanted), strict=True)


def _texts(items: Any, index: IntArray, skip: BoolArray) -> dict[int, str]:
    """Embedding text of each titled item, by its index; without those whose index `skip` holds true for."""
    wanted = [
        columns.ITEM_ID,
        columns.TITLE,
        columns.CATEGORY,
        columns.SUB_CATEGORY,
        columns.TAGS,
        columns.DESCRIPTION,
    ]
    texts = {}
    for position, row in zip(index.tolist(), items.select(wanted).to_pylist(), strict=True):
        if row[columns.TITLE] is not None and not skip[position]:
            texts[position] = embedding_text(*(row[column] for column in wanted[1:]))
    return texts


def _encode(texts: dict[int, str], model: str) -> tuple[dict[int, FloatArray], int]:
    """Vectors of the texts, and their dimension."""
    from training.models.core.encoder import Encoder

    logger.info("Encoding %d texts that have no vector of %s yet.", len(texts), model)
    encoder = Encoder(model)
    return dict(zip(texts, encoder.encode(list(texts.values())), strict=True)), encoder.dimension
