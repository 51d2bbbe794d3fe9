"""The catalogue of any shop, as CSV and Parquet."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, Options, WrongFormatError, ingest_file
from database.ingest.chunk import TAG_SEPARATOR
from tests.database.ingest.reading import read_file

Query = Callable[[str], list[tuple[Any, ...]]]
ITEMS = ADAPTERS["items"]
CSV = f"""item_id,title,kind,category,tags,price,rating,discount_ratio,shelf
I1,Red  lamp,,home,warm| light ,"1,299.50",4.5,0.2,7
I2,How to read,Content,guides,,free,good,,
I1,Red lamp again,product,other,,,,,
,No id,,,,,,,
I3,,,,,,,,
I4,Odd,article,,,,,,
{"I" * 65},Long,,,,,,,
I5,short
"""


def test_csv_with_the_columns_a_shop_has(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(CSV)
    report = ingest_file(connection, ITEMS, tmp_path / "items.csv")
    assert query(
        """select item_id, title, kind, category, tags, price, rating, discount_ratio from items
        order by item_id"""
    ) == [
        ("I1", "Red lamp", "product", "home", ["light", "warm"], 1299.5, 4.5, pytest.approx(0.2)),
        ("I2", "How to read", "content", "guides", [], None, None, None),
    ]
    assert report.reasons == {
        "no item id": 1,
        "no title": 1,
        "kind is not product or content": 1,
        "item_id is longer than 64": 1,
        "2 fields, not 9": 1,
    }
    assert query("select line from rejected_rows order by line") == [(5,), (6,), (7,), (8,), (9,)]


@pytest.mark.parametrize(
    ("header", "price", "listed", "said"),
    [
        ("VK-Preis;UVP", 12.99, 15.99, None),
        ("Aktionspreis;Preis", 12.99, 15.99, None),
        ("Shop-Preis EUR;UVP", 15.99, 15.99, "original_price is taken instead: .* 'price=Shop-Preis EUR'"),
        ("precio_venta;stock", None, None, "precio_venta is not read: .* --map price=precio_venta"),
        ("price range;currency of prices", None, None, None),
    ],
)
def test_which_column_is_the_price(
    header: str, price: float | None, listed: float | None, said: str | None, tmp_path: Path
) -> None:
    (tmp_path / "i.csv").write_text(f"Art.-Nr.;Bezeichnung;{header}\nA;Tee;12,99;15,99\n")
    made = read_file("items", tmp_path / "i.csv")
    found = made.item("A")
    assert (found["price"], found["original_price"]) == (price, listed)
    notes = [note for note in made.notes if " is not read" in note]
    assert (len(notes) == 1 and re.search(said, notes[0])) if said else notes == []


def test_a_price_ends_the_sale_of_the_one_before(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    header = "item_id,title,price,original_price,discount_ratio\n"
    texts = (
        "A,Tea,5,10,0.5\nB,Cup,5,10,0.5\nC,Pan,20,20,0.5\nD,Pot,,7,\nE,Mug,5,10,0.5\n",
        "A,Tea,10,,\nB,Cup,,,\nE,Mug,9,10,0.1\n",
    )
    reports = []
    for text in texts:
        (tmp_path / "i.csv").write_text(header + text)
        reports.append(ingest_file(connection, ITEMS, tmp_path / "i.csv"))
    assert query("select item_id, price, original_price, discount_ratio from items order by 1") == [
        ("A", 10.0, None, None),
        ("B", 5.0, 10.0, 0.5),
        ("C", 20.0, 20.0, None),
        ("D", 7.0, 7.0, None),
        ("E", 9.0, 10.0, pytest.approx(0.1)),
    ]
    assert reports[0].nulled == {"discount_ratio contradicts the prices": 1}


def test_parquet_with_numbers_for_ids_and_again(connection: Connection, query: Query, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"item_id": [7, 8], "title": ["A film", "Another"], "tags": ["Comedy|Drama", None], "price": [2.5, 3]}
    )
    frame.to_parquet(tmp_path / "items.parquet")
    first = ingest_file(connection, ITEMS, tmp_path / "items.parquet")
    again = ingest_file(connection, ITEMS, tmp_path / "items.parquet")
    assert (first.items_new, again.items_new) == (2, 0)
    assert query("select item_id, tags, price from items order by item_id") == [
        ("7", ["Comedy", "Drama"], 2.5),
        ("8", [], 3.0),
    ]


def test_parquet_with_lists_decimals_and_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "item_id": pd.Categorical(["7", "8"]),
            "title": ["A film", "Another"],
            "tags": [["Comedy", "Drama"], None],
            "price": [Decimal("2.50"), None],
        }
    )
    frame.to_parquet(tmp_path / "items.parquet")
    made = read_file("items", tmp_path / "items.parquet")
    assert made.item("7")["tags"] == f"Comedy{TAG_SEPARATOR}Drama"
    assert (made.item("7")["price"], made.item("8")["tags"], made.item("8")["price"]) == (2.5, None, None)


def test_parquet_with_an_object_for_a_value_names_its_fields(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": ["7"], "title": [{"de": "Lampe"}]})
    frame.to_parquet(tmp_path / "items.parquet")
    with pytest.raises(WrongFormatError, match=r"no column title; .*--map title=title.de"):
        ITEMS.check(tmp_path / "items.parquet", Options())
    read = read_file("items", tmp_path / "items.parquet", Options(columns={"title": "title.de"}))
    assert read.item("7")["title"] == "Lampe"


def test_other_files_are_refused_by_name_of_the_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("item_id,colour\n1,x\n")
    (tmp_path / "b.csv").write_text("item_id,title,user_id\n1,x,ann\n")
    with pytest.raises(WrongFormatError, match="no column title"):
        ITEMS.check(tmp_path / "a.csv", Options())
    with pytest.raises(WrongFormatError, match="column of users"):
        ITEMS.check(tmp_path / "b.csv", Options())


FLAGS = """item_id,title,hidden,availability,in_stock
I1,Lamp,yes,,
I2,Lamp,,out of stock,
I3,Lamp,,https://schema.org/InStock,0
I4,Lamp,,,12
I5,Lamp,no,,0
I6,Lamp,,tomorrow,
"""


def test_what_is_hidden_or_out_of_stock_is_told_by_the_file(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text(FLAGS)
    report = ingest_file(connection, ITEMS, tmp_path / "items.csv")
    assert query("select item_id, hidden, available from items order by item_id") == [
        ("I1", True, None),
        ("I2", None, False),
        ("I3", None, True),
        ("I4", None, True),
        ("I5", False, False),
        ("I6", None, None),
    ]
    assert report.nulled == {"availability is neither yes nor no": 1}


def test_a_file_with_flags_changes_them_and_one_without_keeps_them(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    for name, text in (
        ("sold.csv", "item_id,title,in_stock,hidden\nI1,Lamp,0,1\n"),
        ("back.csv", "item_id,title,in_stock\nI1,Lamp,7\n"),
        ("plain.csv", "item_id,title,price\nI1,Lamp,5\n"),
    ):
        (tmp_path / name).write_text(text)
    ingest_file(connection, ITEMS, tmp_path / "sold.csv")
    assert query("select available, hidden from items") == [(False, True)]
    assert ingest_file(connection, ITEMS, tmp_path / "back.csv").items_changed == 1
    ingest_file(connection, ITEMS, tmp_path / "plain.csv")
    assert query("select available, hidden, price from items") == [(True, True, 5.0)]


def test_flags_of_parquet_may_be_booleans(connection: Connection, query: Query, tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], "available": [True, False]})
    frame.to_parquet(tmp_path / "items.parquet")
    ingest_file(connection, ITEMS, tmp_path / "items.parquet")
    assert query("select item_id, available from items order by item_id") == [("a", True), ("b", False)]


def test_a_file_of_an_earlier_version_is_no_news(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    """Its hash is the one that the version before `hidden` and `available` stored."""
    (tmp_path / "items.csv").write_text("item_id,title,tags,price\nI1,Red lamp,warm|light,5\n")
    ingest_file(connection, ITEMS, tmp_path / "items.csv")
    assert query("select source_hashes from items") == [({"items": "d913c3682c132b9099a26ac0f3d12a0a"},)]


@pytest.mark.parametrize("kind", ["product", "content"])
def test_the_first_file_that_describes_an_item_gives_it_its_kind(
    connection: Connection, query: Query, tmp_path: Path, kind: str
) -> None:
    """What only interactions have mentioned is of no kind that anybody told."""
    (tmp_path / "events.csv").write_text("user_id,item_id,event_type,timestamp\nann,I1,click,2026-05-01\n")
    (tmp_path / "items.csv").write_text(f"item_id,title,kind\nI1,Lamp,{kind}\nI2,Guide,{kind}\n")
    ingest_file(connection, ADAPTERS["interactions"], tmp_path / "events.csv")
    assert ingest_file(connection, ITEMS, tmp_path / "items.csv").rows_rejected == 0
    assert query("select item_id, kind from items order by 1") == [("I1", kind), ("I2", kind)]


def test_an_item_of_another_kind_is_refused(connection: Connection, query: Query, tmp_path: Path) -> None:
    for name, text in (
        ("first.csv", "item_id,title,kind,price\nI1,Lamp,product,5\nI2,Guide,content,\n"),
        (
            "second.csv",
            "item_id,title,kind,price\nI1,L,content,6\nI2,G,content,7\nI3,A,product,\nI3,A,content,\n",
        ),
    ):
        (tmp_path / name).write_text(text)
    ingest_file(connection, ITEMS, tmp_path / "first.csv")
    report = ingest_file(connection, ITEMS, tmp_path / "second.csv")
    wrong = "kind is content, but this item is of kind product"
    assert report.reasons == {wrong: 2}
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (4, 2, 2)
    assert query("select item_id, kind, price from items order by item_id") == [
        ("I1", "product", 5.0),
        ("I2", "content", 7.0),
        ("I3", "product", None),
    ]
    assert query("select line, reason from rejected_rows order by line") == [(2, wrong), (5, wrong)]
