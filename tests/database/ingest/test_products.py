"""The Amazon products CSV: raw and cleaned, garbage in optional fields, what re-ingestion leaves alone."""

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import create_pool
from database.ingest import ADAPTERS, WrongFormatError, ingest_file
from database.items import delete_item, insert_item, text_hash, update_item

Query = Callable[[str], list[tuple[Any, ...]]]
PRODUCTS = ADAPTERS["products"]
HEADER = "name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price"
AC = "https://www.amazon.in/Lloyd/dp/B0BRKXTSBT/ref=sr_1_4?qid=1"
RAW = f"""{HEADER}
"Lloyd, 1.5 Ton",appliances,Air Conditioners,http://i/1.jpg,{AC},4.2,"2,255","₹32,999","₹58,990"
"Lloyd, 1.5 Ton",appliances,All Appliances,http://i/1.jpg,{AC},4.2,"2,255","₹32,999","₹58,990"
Kettle,kitchen,Kettles,,https://www.amazon.in/x/dp/B000000002,Get,FREE Delivery by Amazon,,₹999.5
Cup,kitchen,Cups,,https://www.amazon.in/x/dp/B000000003,₹2.99,1,₹0,
,kitchen,Cups,,https://www.amazon.in/x/dp/B000000004,4,1,₹1,₹2
No link,kitchen,Cups,,https://www.amazon.in/x,4,1,₹1,₹2
too,few,fields
"""
CLEANED = f"""id,{HEADER},discount_ratio
AF321D06AE,Ear plugs,stores,Amazon Fashion,http://i/2.jpg,https://www.amazon.in/x/dp/B075GKQCG2,3.5,115,243.0,1240.0,0.804
7,Numbered,stores,Amazon Fashion,http://i/2.jpg,https://www.amazon.in/x/dp/B075GKQCG3,3.5,115,50.0,100.0,
"""


class Letters:
    """An encoder that counts letters."""

    name = "letters"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        self.texts += texts
        rows = [[text.count("a"), text.count("e"), 1] for text in texts]
        vectors = np.array(rows, np.float32).reshape(-1, 3)
        lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
        return vectors / lengths


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_raw_prices_ratings_and_categories(connection: Connection, query: Query, tmp_path: Path) -> None:
    report = ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW))
    assert query(
        """select item_id, title, category, sub_category, tags, rating, rating_count, price, original_price,
        discount_ratio from items order by item_id desc"""
    ) == [
        (
            *("B0BRKXTSBT", "Lloyd, 1.5 Ton", "appliances", "Air Conditioners", ["All Appliances"]),
            *(4.2, 2255, 32999.0, 58990.0, 0.4406),
        ),
        ("B000000003", "Cup", "kitchen", "Cups", [], None, 1, None, None, None),
        ("B000000002", "Kettle", "kitchen", "Kettles", [], None, None, 999.5, 999.5, 0.0),
    ]
    assert report.reasons == {"no name": 1, "no product id": 1, "3 fields, not 9": 1}
    assert report.nulled == {"ratings is not a number": 2, "no_of_ratings is not a number": 1}
    assert (report.rows_read, report.rows_loaded, report.rows_duplicate) == (7, 3, 1)


def test_the_cleaned_form_has_its_own_ids(connection: Connection, query: Query, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "p.csv.gz", "wt") as stream:
        stream.write(CLEANED)
    ingest_file(connection, PRODUCTS, tmp_path / "p.csv.gz")
    assert query("select item_id, price, discount_ratio from items order by 1") == [
        ("AF321D06AE", 243.0, 0.804),
        ("B075GKQCG3", 50.0, 0.5),
    ]


def test_only_news_take_a_number_of_the_change_feed(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    path = write(tmp_path / "p.csv", RAW)
    ingest_file(connection, PRODUCTS, path)
    ingest_file(connection, PRODUCTS, path)
    assert query("select catalogue_seq from change_state") == [(1,)]
    report = ingest_file(
        connection, PRODUCTS, write(tmp_path / "q.csv", RAW.replace("Kettle,k", "Blue kettle,k"))
    )
    assert (report.items_new, report.items_changed) == (0, 1)
    assert query("select item_id, title from items where change_seq = 2") == [("B000000002", "Blue kettle")]


async def test_edits_and_deletions_outlive_the_same_file(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    path = write(tmp_path / "p.csv", RAW)
    ingest_file(connection, PRODUCTS, path)
    pool = await create_pool(1, 1)
    async with pool.acquire() as conn:
        await update_item(conn, "B000000002", {"title": "Edited"}, None)
        await delete_item(conn, "B000000003")
    await pool.close()
    for changed in (RAW, RAW.replace("Cup,", "New cup,")):
        assert ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", changed)).rows_loaded == 0
    assert query(
        "select title, deleted_at is null from items where item_id < 'B000000004' order by item_id"
    ) == [
        ("Edited", True),
        ("Cup", False),
    ]


def test_items_and_vectors_are_stored_together(connection: Connection, query: Query, tmp_path: Path) -> None:
    encoder = Letters()
    report = ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW), encoder=encoder)
    assert report.vectors == 3 == len(encoder.texts)
    assert "Lloyd, 1.5 Ton. appliances. Air Conditioners. All Appliances" in encoder.texts
    rows = query(
        "select i.text_hash = e.text_hash, model, dimension from items i join embeddings e using (item_id)"
    )
    assert rows == [(True, "letters", 3)] * 3
    ingest_file(connection, PRODUCTS, tmp_path / "p.csv", encoder=encoder)
    assert len(encoder.texts) == 3
    changed = write(tmp_path / "q.csv", RAW.replace("Kettle,k", "Blue kettle,k").replace("4.2", "4.3"))
    assert ingest_file(connection, PRODUCTS, changed, encoder=encoder).vectors == 1
    assert encoder.texts[3:] == ["Blue kettle. kitchen. Kettles"]
    assert query("select text_hash from embeddings where item_id = 'B000000002'") == [
        (text_hash("Blue kettle. kitchen. Kettles"),)
    ]


def test_an_item_edited_while_it_is_encoded_gets_the_vector_of_its_text(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    class Meddling(Letters):
        def encode(self, texts: list[str]) -> NDArray[np.float32]:
            if not self.texts:
                asyncio.run(_describe("B000000002"))
            return super().encode(texts)

    ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW), encoder=Meddling())
    assert query("select description from items where item_id = 'B000000002'") == [("by hand",)]
    assert query("select count(*) from items i join embeddings e using (item_id, text_hash)") == [(3,)]


def test_an_item_with_a_vector_that_is_edited_meanwhile_gets_another(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    class Meddling(Letters):
        def encode(self, texts: list[str]) -> NDArray[np.float32]:
            if not self.texts:
                asyncio.run(_describe("B000000002"))
            return super().encode(texts)

    ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW), encoder=Letters())
    changed = write(tmp_path / "q.csv", RAW.replace("Kettle,k", "Blue kettle,k"))
    ingest_file(connection, PRODUCTS, changed, encoder=Meddling())
    assert query("select count(*) from items i join embeddings e using (item_id, text_hash)") == [(3,)]


def test_another_models_vectors_take_the_place_of_those_of_changed_items(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    class Other(Letters):
        name = "other"

    ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW), encoder=Letters())
    dearer = write(tmp_path / "q.csv", RAW.replace("999.5", "998.5"))
    report = ingest_file(connection, PRODUCTS, dearer, encoder=Other())
    assert (report.items_changed, report.vectors) == (1, 1)
    assert query("select item_id from embeddings where model = 'other'") == [("B000000002",)]


def test_a_failing_encoder_leaves_nothing(connection: Connection, query: Query, tmp_path: Path) -> None:
    class Failing(Letters):
        def encode(self, texts: list[str]) -> NDArray[np.float32]:
            raise MemoryError

    with pytest.raises(MemoryError):
        ingest_file(connection, PRODUCTS, write(tmp_path / "p.csv", RAW), encoder=Failing())
    assert query("select (select count(*) from items), (select count(*) from ingest_runs)") == [(0, 0)]
    assert ingest_file(connection, PRODUCTS, tmp_path / "p.csv").rows_loaded == 3


@pytest.mark.parametrize("text", ["", "name,price\nx,1\n", '{"asin": "B000000001"}\n'])
def test_a_foreign_file_is_refused(connection: Connection, tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongFormatError, match="not Amazon products"):
        ingest_file(connection, PRODUCTS, write(tmp_path / "x.csv", text))


async def _describe(item_id: str) -> None:
    from database.items import ItemContent

    pool = await create_pool(1, 1)
    async with pool.acquire() as conn:
        await insert_item(conn, item_id, ItemContent(kind="product", title="t", description="by hand"), None)
    await pool.close()


def test_a_count_that_no_column_holds_is_left_empty(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    line = "Cup,kitchen,Cups,,https://www.amazon.in/x/dp/B000000003,4,{},₹1,₹2\n"
    (tmp_path / "p.csv").write_text(f"{HEADER}\n{line.format('99999999999')}")
    report = ingest_file(connection, PRODUCTS, tmp_path / "p.csv")
    assert query("select rating_count from items") == [(None,)]
    assert sum(report.nulled.values()) == 1
