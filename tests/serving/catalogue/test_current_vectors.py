"""Whoever writes an item: no vector of an old text or of another encoder counts as its own.

Items are made and edited by the service, one by one and in batches, and come in files; training gives
vectors; the encoder is changed, of the service, of files or of training; an edit may come while a text is
encoded. After each step all that reads vectors is asked whose they are: the database, the live index, the
export, the drift checks. In the end everything has the vector that it should have, and is found by it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import numpy as np
import psycopg2
import pytest
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import items
from database.embeddings import index_items, unindexed
from database.export import export
from database.ingest import ADAPTERS, ingest_file
from database.item_writes import COLUMNS
from database.items import embedding_text
from database.population import sampled_vectors
from serving.catalogue import background_vectors
from serving.catalogue.drafts import ItemDraft
from serving.errors import EditConflictError, ItemExistsError, ItemNotFoundError
from serving.plane import LivePlane
from training.params import Params

IDS = [f"I{number}" for number in range(5)]
TITLES = ["lamp", "red lamp", "tea", "green tea", "pot"]
MODELS = ["small", "other"]
DIMENSION = 8
STEPS = 30
PRESENT = """select i.item_id, embedding_text(title, category, sub_category, tags, description)
    from items i where deleted_at is null and title is not null"""


class Telling:
    """Encoders whose vectors tell which of them made them, and of what text."""

    def __init__(self) -> None:
        self.made: dict[bytes, tuple[str, str]] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def of(self, vector: Any) -> tuple[str, str]:
        """The model and the text of a vector, as it is stored or as numbers."""
        raw = vector if isinstance(vector, bytes) else np.asarray(vector, dtype="<f4").tobytes()
        return self.made[raw]

    def named(self, name: str) -> "Named":
        return Named(self, name)


class Named:
    """One of them."""

    dimension = DIMENSION

    def __init__(self, telling: Telling, name: str) -> None:
        self.name = name
        self._telling = telling

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if texts:
            self._telling.meanwhile()
        found = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for place, text in enumerate(texts):
            drawn = np.random.default_rng([*self.name.encode(), *text.encode()]).normal(size=DIMENSION)
            found[place] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
            self._telling.made[found[place].tobytes()] = (self.name, text)
        return found


class Shop:
    """One worker, files, training, and whoever edits by hand, on one database."""

    def __init__(self, pool: asyncpg.Pool, params: Params, conn: Connection, dsn: str, folder: Path) -> None:
        self.telling = Telling()
        self.conn, self.folder = conn, folder
        self._pool, self._params, self._dsn = pool, params, dsn
        self._files = 0

    async def start(self, model: str) -> None:
        """A worker with this encoder, as after an edit of params.yaml."""
        embeddings = self._params.embeddings.model_copy(update={"model": model})
        params = self._params.model_copy(update={"embeddings": embeddings})
        encoder = self.telling.named(model)
        self.plane = await LivePlane.open(
            self._pool, params, encoder=encoder, locate=lambda tag: self.folder / tag
        )
        self.model = model

    def ingest(self, rows: Sequence[tuple[str, str]], model: str | None) -> None:
        self._files += 1
        path = self.folder / f"items{self._files}.csv"
        path.write_text("\n".join(["item_id,title,category", *(f"{i},{title}," for i, title in rows), ""]))
        encoder = None if model is None else self.telling.named(model)
        ingest_file(self.conn, ADAPTERS["items"], path, encoder=encoder)

    def train(self, model: str) -> None:
        index_items(self.conn, model, self.telling.named(model).encode, batch=3)

    def edit_meanwhile(self, item_id: str, title: str) -> None:
        """Another's edit, if nobody holds the catalogue's number; its vector is somebody else's concern."""
        conn = psycopg2.connect(self._dsn)
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute("set local lock_timeout = '20ms'")
                cursor.execute(
                    "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
                )
                values = (title, cursor.fetchall()[0][0], item_id)
                cursor.execute("update items set title = %s, change_seq = %s where item_id = %s", values)
        except psycopg2.errors.LockNotAvailable:
            conn.rollback()
        finally:
            conn.close()

    def texts(self) -> dict[str, str]:
        with self.conn.cursor() as cursor:
            cursor.execute(PRESENT)
            return dict(cursor.fetchall())

    async def check(self) -> None:
        """Each vector that anybody is given is of the item's present text, by the model that it says."""
        whose = self.telling.of
        with export(self.conn) as moment:
            texts, right = self.texts(), set()
            for batch in moment.embeddings():
                columns = (batch.column(name).to_pylist() for name in ("item_id", "model", "vector"))
                for item_id, model, vector in zip(*columns, strict=True):
                    assert whose(vector) == (model, texts[item_id]), f"exported of {item_id}"
                    right.add((item_id, model))
            for model in MODELS:
                lacking = {each for text in unindexed(self.conn, model, 100) for each in text.item_ids}
                assert lacking == {each for each in texts if (each, model) not in right}, model
            for vector in sampled_vectors(self.conn, 100):
                assert whose(vector)[1] in texts.values(), "compared by the drift checks"
        await self.plane.catch_up()
        index = self.plane._components.index
        for row in np.flatnonzero(index.vectors.held(index.catalogue.n_rows)).tolist():
            item = index.catalogue.item(row)
            text = embedding_text(item.title, item.category, item.sub_category, item.tags, item.description)
            assert whose(index.vectors.get(row)) == (self.model, text), f"held of {item.item_id}"

    async def all_are_right(self) -> None:
        """With nothing left to encode, each item has its vector and is found as the nearest to its text."""
        self.telling.meanwhile = lambda: None
        await asyncio.to_thread(self.train, self.model)
        await self.check()
        texts = self.texts()
        for item_id, text in texts.items():
            row = self.plane._components.index.catalogue.row(item_id)
            vector = self.plane._components.index.vectors.get(row)
            assert vector is not None and self.telling.of(vector) == (self.model, text)
            nearest = await self.plane.lists.semantic_search(text, len(texts))
            same = {each for each, other in texts.items() if other == text}
            assert {each.item.item_id for each in nearest[: len(same)]} == same


@pytest.fixture
async def a_shop(
    pool: asyncpg.Pool,
    small_params: Params,
    connection: Connection,
    database: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    monkeypatch.setattr(background_vectors, "_LOOKS_EVERY", 0.02)
    made = Shop(pool, small_params, connection, database.dsn, tmp_path)
    await made.start(MODELS[0])
    yield made
    await made.plane.close()


def whole(item_id: str, title: str) -> dict[str, Any]:
    empty = dict.fromkeys(COLUMNS) | {"categories": [], "tags": [], "attributes": {}, "kind": "product"}
    return empty | {"item_id": item_id, "title": title}


async def step(shop: Shop, random: Random) -> None:
    """Something that a shop does on any day."""
    item_id, title = random.choice(IDS), random.choice(TITLES)
    rows = [(each, random.choice(TITLES)) for each in random.sample(IDS, 3)]
    model = random.choice(MODELS)
    with suppress(ItemExistsError, ItemNotFoundError, EditConflictError):
        match random.choice(
            [
                "create",
                "edit",
                "edit",
                "move",
                "price",
                "put",
                "batch",
                "delete",
                "file",
                "file",
                "train",
                "start",
            ]
        ):
            case "create":
                await shop.plane.create_item(ItemDraft(kind="product", item_id=item_id, title=title))
            case "edit":
                await shop.plane.update_item(item_id, {"title": title})
            case "move":
                await shop.plane.update_item(item_id, {"category": random.choice(["home", None])})
            case "price":
                await shop.plane.update_item(item_id, {"price": random.choice([1.0, 2.0])})
            case "put":
                await shop.plane.replace_item(item_id, lambda _: whole(item_id, title))
            case "batch":
                await shop.plane.replace_items([whole(*row) for row in rows])
            case "delete":
                await shop.plane.delete_item(item_id)
            case "file":
                await asyncio.to_thread(shop.ingest, rows, random.choice([None, model, shop.model]))
            case "train":
                await asyncio.to_thread(shop.train, model)
            case "start":
                await shop.plane.close()
                await shop.start(model)


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_no_vector_of_an_old_text_or_another_encoder_counts_as_an_items_own(
    a_shop: Shop, seed: int
) -> None:
    random, others = Random(seed), Random(seed)

    def somebody_edits() -> None:
        if others.random() < 0.3:
            a_shop.edit_meanwhile(others.choice(IDS), others.choice(TITLES))

    a_shop.telling.meanwhile = somebody_edits
    for _ in range(STEPS):
        await step(a_shop, random)
        await a_shop.check()
    await a_shop.all_are_right()


@pytest.mark.parametrize("changes", [{"price": 2.0}, {"title": "lamp"}, {"title": "tea"}])
async def test_an_edit_gives_an_item_the_vector_of_the_services_encoder(
    a_shop: Shop, pool: asyncpg.Pool, changes: Any
) -> None:
    """Where a training with other params gave it another's: what is edited is found by meaning at once."""
    await a_shop.plane.create_item(ItemDraft(kind="product", item_id="I0", title="lamp"))
    await asyncio.to_thread(a_shop.train, MODELS[1])
    await a_shop.plane.update_item("I0", changes)
    (row,) = await pool.fetch("select model, vector from embeddings")
    text = changes.get("title", "lamp")
    assert row["model"] == MODELS[0] and a_shop.telling.of(row["vector"]) == (MODELS[0], text)


async def test_a_text_that_is_sent_as_it_was_undoes_nobodys_edit(
    a_shop: Shop, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form sends all its fields; somebody else saved another title since it was opened."""
    await a_shop.plane.create_item(ItemDraft(kind="product", item_id="I0", title="lamp"))
    store = items.update_item

    async def after_another(*arguments: Any) -> Any:
        monkeypatch.setattr(items, "update_item", store)
        a_shop.edit_meanwhile("I0", "red lamp")
        return await store(*arguments)

    monkeypatch.setattr(items, "update_item", after_another)
    edited = await a_shop.plane.update_item("I0", {"title": "lamp", "price": 2.0})
    assert (edited.title, edited.price) == ("red lamp", 2.0)
    await a_shop.check()
