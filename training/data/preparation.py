"""From a snapshot's tables to the arrays that models read: vocabularies, events, baskets, vectors.

Deleted items, and interactions with them, are left out. What one event weighs comes from params.yaml.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from database import columns
from database.interactions import FULL_VIEW_SECONDS
from database.items import embedding_text
from training.data.prepared import Prepared
from training.models.core.data import Catalogue, Events
from training.models.core.types import BoolArray, FloatArray, IntArray, LongArray
from training.models.core.vocabulary import Vocabulary
from training.params.learning import InteractionsParams

logger = logging.getLogger(__name__)


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
    file = snapshot / "interactions.parquet"
    there = pq.read_schema(file).names  # a snapshot of 0.1.0 has no weights
    table = pq.read_table(file, columns=[name for name in _READ if name in there])
    item_vocabulary = Vocabulary.build(items.column(columns.ITEM_ID).to_pylist())
    table = table.append_column("item", positions(table.column(columns.ITEM_ID), item_vocabulary))
    table = table.filter(pc.greater_equal(table.column("item"), 0))
    table = table.append_column("time", to_seconds(table.column(columns.OCCURRED_AT)))
    table = table.sort_by([("time", "ascending"), (columns.INTERACTION_ID, "ascending")])
    weights = event_weights(table, interactions)
    user_vocabulary = Vocabulary.build(pc.drop_null(pc.unique(table.column(columns.USER_ID))).to_pylist())
    user = positions(table.column(columns.USER_ID), user_vocabulary).to_numpy()
    basket_row, in_basket = _baskets(table, weights)
    prepared = Prepared(
        items=item_vocabulary,
        users=user_vocabulary,
        events=_events(table, weights, user, user >= 0),
        basket_item=table.column("item").to_numpy()[in_basket],
        basket_row=basket_row,
        basket_time=_seconds(table)[in_basket],
        basket_event=_places(user >= 0)[in_basket],
        catalogue=_catalogue(items, item_vocabulary),
        vectors=_vectors(snapshot, item_vocabulary, items, model),
        anonymous=_events(table, weights, user, user < 0),
    )
    logger.info(
        "%d items, %d users, %d events, %d basket lines.",
        len(prepared.items),
        len(prepared.users),
        len(prepared.events),
        len(prepared.basket_item),
    )
    return prepared


def positions(ids: Any, vocabulary: Vocabulary) -> Any:
    """int32 index in the vocabulary of each id of an Arrow column; -1 for null and unknown ids."""
    known = pa.array([value.decode() for value in vocabulary.ids.tolist()], pa.string())
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


def _events(table: Any, weights: FloatArray, user: IntArray, chosen: BoolArray) -> Events:
    return Events(user, table.column("item").to_numpy(), weights, _seconds(table)).where(chosen)


def _places(known: BoolArray) -> IntArray:
    """Place of each row among the known ones, int32[n]; -1 for the others."""
    return np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)


def _baskets(table: Any, weights: FloatArray) -> tuple[IntArray, BoolArray]:
    """Number the baskets: a user's session or invoice, else what one user did on one day.

    Only events that speak for an item count. Returns (int32[l] basket of each line that is in one,
    bool[n] which rows are).
    """
    day = pc.cast(pc.divide(table.column("time"), 86_400), pa.string())
    by_day = pc.binary_join_element_wise("day", table.column(columns.USER_ID), day, "\x1f")
    shopper = pc.cast(pa.array(_shoppers(table)), pa.string())
    session = pc.binary_join_element_wise("session", table.column(columns.SESSION_ID), shopper, "\x1f")
    keys = pc.coalesce(session, by_day).combine_chunks()
    kept = pc.is_valid(keys).to_numpy(zero_copy_only=False) & (weights > 0)
    encoded = keys.filter(pa.array(kept)).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), kept


def _shoppers(table: Any) -> IntArray:
    """Number of the user whose session each row is of, int32[n]; -1 where nobody knows.

    Many shops number the sessions of each user from 1. An anonymous row belongs to the session's user if
    there is just one, who signed in halfway.
    """
    user = _codes(table.column(columns.USER_ID))
    session = _codes(table.column(columns.SESSION_ID))
    known = (user >= 0) & (session >= 0)
    last = np.full(session.max(initial=-1) + 1, -1, dtype=np.int32)
    last[session[known]] = user[known]
    several = session[known][last[session[known]] != user[known]]
    last[several] = -1
    stranger = (user < 0) & (session >= 0)
    user[stranger] = last[session[stranger]]
    return user


def _codes(texts: Any) -> IntArray:
    """A number for each distinct text of an Arrow column, int32[n]; -1 for null."""
    encoded = texts.combine_chunks().dictionary_encode()
    codes: IntArray = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes


def _seconds(table: Any) -> LongArray:
    values: LongArray = table.column("time").to_numpy()
    return values


def _catalogue(items: Any, vocabulary: Vocabulary) -> Catalogue:
    order = positions(items.column(columns.ITEM_ID), vocabulary).to_numpy()
    rows = np.empty(len(order), dtype=np.int64)
    rows[order] = np.arange(len(order))
    aligned = items.take(pa.array(rows))

    def words(column: str) -> tuple[str, ...]:
        return tuple(pc.fill_null(aligned.column(column), "").to_pylist())

    return Catalogue(words(columns.TITLE), words(columns.CATEGORY), words(columns.SUB_CATEGORY))


def _vectors(snapshot: Path, vocabulary: Vocabulary, items: Any, model: str) -> FloatArray:
    """float32[n_items, d], aligned with the vocabulary; texts without a vector of `model` are encoded."""
    table = pq.read_table(
        snapshot / "embeddings.parquet",
        columns=[columns.ITEM_ID, columns.MODEL, columns.TEXT_HASH, columns.VECTOR],
    )
    table = table.filter(pc.equal(table.column(columns.MODEL), model))
    hashes = dict(
        zip(
            items.column(columns.ITEM_ID).to_pylist(),
            items.column(columns.TEXT_HASH).to_pylist(),
            strict=True,
        )
    )
    rows = zip(
        positions(table.column(columns.ITEM_ID), vocabulary).to_pylist(),
        table.column(columns.ITEM_ID).to_pylist(),
        table.column(columns.TEXT_HASH).to_pylist(),
        table.column(columns.VECTOR).to_pylist(),
        strict=True,
    )
    fresh = {
        index: vector for index, item, text_hash, vector in rows if index >= 0 and hashes[item] == text_hash
    }
    missing = _texts(items, vocabulary, skip=fresh.keys())
    encoded: dict[int, FloatArray] = {}
    dimension = len(next(iter(fresh.values()), b"")) // 4
    if missing or not dimension:
        encoded, dimension = _encode(missing, model)
    vectors = np.zeros((len(vocabulary), dimension), dtype=np.float32)
    for index, vector in fresh.items():
        vectors[index] = np.frombuffer(vector, "<f4")
    for index, values in encoded.items():
        vectors[index] = values
    return vectors


def _texts(items: Any, vocabulary: Vocabulary, skip: Any) -> dict[int, str]:
    """Embedding text of each titled item whose index is not in `skip`."""
    wanted = [
        columns.ITEM_ID,
        columns.TITLE,
        columns.CATEGORY,
        columns.SUB_CATEGORY,
        columns.TAGS,
        columns.DESCRIPTION,
    ]
    index = positions(items.column(columns.ITEM_ID), vocabulary).to_numpy()
    texts = {}
    for position, row in zip(index.tolist(), items.select(wanted).to_pylist(), strict=True):
        if row[columns.TITLE] is not None and position not in skip:
            texts[position] = embedding_text(*(row[column] for column in wanted[1:]))
    return texts


def _encode(texts: dict[int, str], model: str) -> tuple[dict[int, FloatArray], int]:
    """Vectors of the texts, and their dimension."""
    from training.models.core.encoder import Encoder

    logger.info("Encoding %d texts that have no vector of %s yet.", len(texts), model)
    encoder = Encoder(model)
    return dict(zip(texts, encoder.encode(list(texts.values())), strict=True)), encoder.dimension
