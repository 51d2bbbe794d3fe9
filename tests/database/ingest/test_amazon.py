"""Amazon reviews and metadata: the field names of 2014, 2018 and 2023, plain, gzip, damaged, foreign."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, IngestError, WrongFormatError, ingest_file

Query = Callable[[str], list[tuple[Any, ...]]]
REVIEWS, METADATA = ADAPTERS["reviews"], ADAPTERS["metadata"]
REVIEW_2014 = {"reviewerID": "A1", "asin": "5555991584", "overall": 4.0, "unixReviewTime": 1158019200}
REVIEW_2018 = {"reviewerID": "A2", "asin": "B004LLIKVU", "overall": "5.0", "unixReviewTime": "1529193600"}
REVIEW_2023 = {
    "rating": 3.0,
    "asin": "B000VARIAN",
    "parent_asin": "B000PARENT",
    "user_id": "A3",
    "timestamp": 1404402463123,
}
META_2014 = {
    "asin": "5555991584",
    "title": "Memory of Trees",
    "price": 9.49,
    "imUrl": "http://i/t.jpg",
    "categories": [["CDs & Vinyl", "New Age", "Celtic", "New Age"], ["Other"]],
}
META_2018 = {
    "category": ["Gift Cards", "Gift Cards"],
    "description": ["For &amp; to", "<b>anyone</b>"],
    "title": "Card",
    "image": ["http://i/c.jpg", "http://i/d.jpg"],
    "brand": "Serendipity",
    "main_cat": "Grocery",
    "price": "$25.00",
    "asin": "B004LLIKVU",
}
META_2023 = {
    "main_category": "All Beauty",
    "title": "Almond Oil",
    "average_rating": 4.5,
    "rating_number": 12,
    "features": ["pure"],
    "description": [],
    "price": None,
    "images": [{"thumb": "http://i/s.jpg", "large": "http://i/l.jpg", "hi_res": None}],
    "store": "Shiny",
    "categories": [],
    "parent_asin": "B000PARENT",
}


def write(path: Path, rows: list[Any]) -> Path:
    lines = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)
    return path


@pytest.mark.parametrize(
    ("review", "item", "when"),
    [
        (REVIEW_2014, "5555991584", "2006-09-12 00:00:00"),
        (REVIEW_2018, "B004LLIKVU", "2018-06-17 00:00:00"),
        (REVIEW_2023, "B000PARENT", "2014-07-03 15:47:43.123"),
    ],
)
@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_reviews_of_every_collection(
    connection: Connection,
    query: Query,
    tmp_path: Path,
    review: dict[str, Any],
    item: str,
    when: str,
    name: str,
) -> None:
    report = ingest_file(connection, REVIEWS, write(tmp_path / name, [review, review]))
    assert (report.rows_loaded, report.rows_duplicate, report.items_bare) == (1, 1, 1)
    assert query(
        "select item_id, event_type, value, (occurred_at at time zone 'UTC')::text from interactions"
    ) == [(item, "rating", float(review.get("overall") or review["rating"]), when)]
    assert query("select item_id, title from items") == [(item, None)]


def test_unusable_reviews_are_refused_one_by_one(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    rows = [
        REVIEW_2014,
        REVIEW_2014 | {"overall": 6},
        REVIEW_2014 | {"overall": None},
        REVIEW_2014 | {"asin": "short"},
        REVIEW_2014 | {"reviewerID": " "},
        REVIEW_2014 | {"unixReviewTime": "yesterday"},
        "not json\n",
        "\n",
        "{'unfinished': \n",
    ]
    report = ingest_file(connection, REVIEWS, write(tmp_path / "r.json", rows))
    assert report.reasons == {
        "rating is not within 1..5": 2,
        "no product id": 1,
        "no user id": 1,
        "no readable time": 1,
        "not a JSON object": 2,
    }
    assert query("select line, raw from rejected_rows where reason = 'not a JSON object' order by line") == [
        (7, "not json"),
        (9, "{'unfinished': "),
    ]


def test_metadata_of_every_collection(connection: Connection, query: Query, tmp_path: Path) -> None:
    ingest_file(connection, METADATA, write(tmp_path / "m14.json.gz", [f"{META_2014}\n"]))
    ingest_file(connection, METADATA, write(tmp_path / "m18.json", [META_2018]))
    ingest_file(connection, METADATA, write(tmp_path / "m23.jsonl", [META_2023]))
    columns = "title, description, category, sub_category, tags, image_url, rating, rating_count, price"
    assert query(f"select {columns} from items order by item_id") == [
        ("Memory of Trees", None, "CDs & Vinyl", "New Age", ["Celtic"], "http://i/t.jpg", None, None, 9.49),
        ("Almond Oil", "pure", "All Beauty", None, [], "http://i/l.jpg", 4.5, 12, None),
        ("Card", "For & to anyone", "Gift Cards", None, [], "http://i/c.jpg", None, None, 25.0),
    ]
    assert query("select attributes ->> 'brand' from items where item_id = 'B004LLIKVU'") == [
        ("Serendipity",)
    ]


def test_metadata_fill_a_bare_item_and_report_what_has_no_title(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    ingest_file(connection, REVIEWS, write(tmp_path / "r.json", [REVIEW_2023]))
    rows = [META_2023, {"parent_asin": "B000000009", "title": ""}]
    report = ingest_file(connection, METADATA, write(tmp_path / "m.json", rows))
    assert (report.items_new, report.items_changed, report.reasons) == (0, 1, {"no title": 1})
    assert query("select title, change_seq from items") == [("Almond Oil", 2)]


def test_a_file_that_breaks_off_leaves_nothing(connection: Connection, query: Query, tmp_path: Path) -> None:
    rows = [REVIEW_2014 | {"reviewerID": f"A{number}"} for number in range(60_000)]
    whole = write(tmp_path / "r.json.gz", rows).read_bytes()
    (tmp_path / "r.json.gz").write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(IngestError, match="damaged"):
        ingest_file(connection, REVIEWS, tmp_path / "r.json.gz")
    assert query(
        """select (select count(*) from interactions), (select count(*) from users), catalogue_seq
        from change_state"""
    ) == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("adapter", "rows"),
    [
        (REVIEWS, [META_2018]),
        (REVIEWS, []),
        (REVIEWS, ["a,b\n"]),
        (METADATA, [REVIEW_2018]),
        (METADATA, [{"asin": "B000000001"}]),
        (METADATA, ["[1, 2]\n"]),
    ],
)
def test_foreign_files_are_refused(
    connection: Connection, tmp_path: Path, adapter: Any, rows: list[Any]
) -> None:
    with pytest.raises(WrongFormatError):
        ingest_file(connection, adapter, write(tmp_path / "x.json", rows))
