"""What one worker holds of the catalogue: items, words, names and vectors, kept in step by one method."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from database.attributes import NOTED
from database.items import ItemRow
from serving.catalogue.catalogue import Catalogue
from serving.text.lexical import LexicalIndex
from serving.text.synonyms import Synonyms
from serving.text.titles import NameIndex
from serving.types import NO_ATTRIBUTES, Item, Mask
from serving.vectors.index import VectorBase, VectorIndex
from training.params.ranking import SearchParams

logger = logging.getLogger(__name__)


class LiveIndex:
    """The catalogue and everything that is searched, by the same rows. Used from the event loop only."""

    def __init__(self, model: str, dimension: int, synonyms: Synonyms, search: SearchParams) -> None:
        """`model` and `dimension` are the encoder's: vectors of another model are left out."""
        self.catalogue = Catalogue()
        self.lexical = LexicalIndex(synonyms, search)
        self.titles = NameIndex()
        self.vectors = VectorIndex(dimension)
        self._model = model

    def apply(self, rows: Sequence[ItemRow]) -> None:
        """Bring changed items in, deleted ones out. Applying a row again, or an older one, changes nothing.

        One item may be read on its own while the changes before its last one are still being applied.
        """
        for row in rows:
            if row.change_seq < self.catalogue.changed_at(row.item_id):
                continue
            if row.deleted_at is None:
                self._put(row)
            else:
                self._remove(row)

    def without_vector(self) -> Mask:
        """bool[n_rows]: live items with a title that have no vector of the encoder's."""
        held = self.vectors.held(self.catalogue.n_rows)
        lacking: Mask = self.catalogue.mask(None) & self.catalogue.column("titled") & ~held
        return lacking

    def rebase(self, base: VectorBase | None, watermark: int) -> None:
        """Put a bundle's vectors under the index; what changed after its watermark stays on top of them."""
        old, self.vectors = self.vectors, VectorIndex(self.vectors.dimension, base)
        seqs = self.catalogue.column("change_seq")
        settled = np.zeros(self.catalogue.n_rows, dtype=np.bool_)
        if base is not None:
            settled[base.rows[base.present]] = True
            settled &= seqs <= watermark
            for row in base.rows[base.present & ~settled[base.rows]]:
                self.vectors.remove(int(row))
        for row in np.flatnonzero(~settled & self.catalogue.column("alive")):
            vector = old.get(int(row))
            if vector is not None:
                self.vectors.put(int(row), vector)

    def _put(self, stored: ItemRow) -> None:
        item = item_of(stored)
        row = self.catalogue.put(item, stored.change_seq)
        self.lexical.put(row, item)
        self.titles.put(row, item)
        vector = self._vector(stored)
        if vector is None:
            self.vectors.remove(row)
        else:
            self.vectors.put(row, vector)

    def _remove(self, stored: ItemRow) -> None:
        row = self.catalogue.remove(stored.item_id, stored.change_seq)
        if row is not None:
            self.lexical.remove(row)
            self.titles.remove(row)
            self.vectors.remove(row)

    def _vector(self, stored: ItemRow) -> "np.ndarray[tuple[int], np.dtype[np.float32]] | None":
        if stored.vector is None:
            return None
        vector = np.frombuffer(stored.vector, dtype="<f4").astype(np.float32)
        if stored.vector_model != self._model or len(vector) != self.vectors.dimension:
            logger.warning("item %s has a vector of model %s: left out", stored.item_id, stored.vector_model)
            return None
        return vector


def _attributes(text: str) -> Mapping[str, Any]:
    """The shop's own attributes, without what the platform notes among them for itself."""
    if text == "{}":
        return NO_ATTRIBUTES
    return {name: value for name, value in orjson.loads(text).items() if name != NOTED}


def item_of(row: ItemRow) -> Item:
    """The item as the service shows it."""
    return Item(
        item_id=row.item_id,
        kind=row.kind,
        title=row.title,
        description=row.description,
        category=row.category,
        sub_category=row.sub_category,
        tags=tuple(row.tags),
        image_url=row.image_url,
        link=row.link,
        rating=row.rating,
        rating_count=row.rating_count,
        price=row.price,
        original_price=row.original_price,
        discount_ratio=row.discount_ratio,
        hidden=row.hidden is True,
        available=row.available is not False and row.stock != 0,
        publish_at=row.publish_at,
        expire_at=row.expire_at,
        categories=row.categories,
        stock=row.stock,
        timestamp=row.dated_at,
        attributes=_attributes(row.attributes),
        article_id=row.article_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
