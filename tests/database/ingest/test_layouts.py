"""Files in the shapes in which shops, analytics and public data sets have them; all of our own making."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from database.ingest import ADAPTERS, Options, WrongFormatError
from database.ingest.inbox import detect
from database.ingest.objects import rows_of
from tests.database.ingest.reading import Made, read_file, write_book


def loaded(path: Path, options: Options | None = None) -> Made:
    """The file, read by the adapter that finds itself in it."""
    return read_file(detect(path, ADAPTERS.values(), options or Options()).name, path, options)


def events(made: Made) -> list[tuple[Any, ...]]:
    """(user, item, event type, the file's word for it, value) of each event."""
    names = ["user_id", "item_id", "event_type", "event_name", "value"]
    rows = made.interactions[names].astype("object")
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in rows.to_numpy().tolist()]


LOGS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "ratings.csv": (
        "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n2,10,4.0,835355493\n",
        [("1", "31", "rating", None, 2.5), ("2", "10", "rating", None, 4.0)],
    ),
    "yelp_review.jsonl": (
        '{"review_id":"r","user_id":"u","business_id":"b","stars":4.0,"date":"2018-07-07 22:09:11"}\n',
        [("u", "b", "rating", None, 4.0)],
    ),
    "set.inter": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
        [("196", "242", "rating", None, 3.0)],
    ),
    "2019-Oct.csv": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,21,,shiseido,35.79,541312140,72d7\n"
        "2019-10-01 00:00:01 UTC,cart,44600062,21,,shiseido,35.79,541312140,72d7\n"
        "2019-10-01 00:00:02 UTC,remove_from_cart,44600062,21,,,35.79,541312140,72d7\n"
        "2019-10-01 00:00:03 UTC,purchase,44600062,21,,,35.79,541312140,72d7\n",
        [
            ("541312140", "44600062", "click", "view", None),
            ("541312140", "44600062", "click", "cart", None),
            ("541312140", "44600062", "view_time", "remove_from_cart", None),
            ("541312140", "44600062", "purchase", None, None),
        ],
    ),
    "events.csv": (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433222276276,111016,addtocart,318965,\n"
        "1433222276277,111016,transaction,318965,4000\n",
        [
            ("257597", "355908", "click", "view", None),
            ("111016", "318965", "click", "addtocart", None),
            ("111016", "318965", "purchase", "transaction", None),
        ],
    ),
    "sessions.jsonl": (
        '{"session":12,"events":[{"aid":59625,"ts":1661724000278,"type":"clicks"},'
        '{"aid":7,"ts":1661724058352,"type":"carts"},{"aid":7,"ts":1661724058353,"type":"orders"}]}\n',
        [
            (None, "59625", "click", "clicks", None),
            (None, "7", "click", "carts", None),
            (None, "7", "purchase", "orders", None),
        ],
    ),
    "export.json": (
        json.dumps(
            {
                "event_date": "20240501",
                "event_timestamp": "1714560000123456",
                "event_name": "purchase",
                "user_pseudo_id": "12.34",
                "event_params": [
                    {"key": "ga_session_id", "value": {"int_value": "99"}},
                    {"key": "page_title", "value": {"string_value": "Cart"}},
                ],
                "items": [{"item_id": "T1", "item_name": "Tea", "quantity": "2"}, {"item_id": "T2"}],
            }
        ),
        [("12.34", "T1", "purchase", None, 2.0), ("12.34", "T2", "purchase", None, None)],
    ),
    "orders.csv": (
        "Order-ID;Kunde;SKU;Qty;Created at;Event\n"
        "7;ann;A1;3;13.02.2024 10:15;Add to cart\n7;ann;A1;3;2.3.2024;order\n",
        [("ann", "A1", "click", "add to cart", None), ("ann", "A1", "purchase", "order", 3.0)],
    ),
}


ALGOLIA = {
    "events": [
        {
            "eventType": "click",
            "eventName": "Product Clicked",
            "index": "products",
            "userToken": "anonymous-1",
            "authenticatedUserToken": "ann",
            "timestamp": 1714560000000,
            "objectIDs": ["A", "B"],
            "queryID": "q1",
            "positions": [1, 2],
        },
        {
            "eventType": "view",
            "eventName": "Product Viewed",
            "index": "products",
            "userToken": "anonymous-2",
            "timestamp": 1714560001000,
            "objectIDs": ["A"],
        },
        {
            "eventType": "conversion",
            "eventSubtype": "addToCart",
            "eventName": "Product Added To Cart",
            "index": "products",
            "userToken": "anonymous-2",
            "timestamp": 1714560002000,
            "objectIDs": ["A"],
            "objectData": [{"price": 9.5, "quantity": 2}],
            "value": 19,
            "currency": "EUR",
        },
        {
            "eventType": "conversion",
            "eventSubtype": "purchase",
            "eventName": "Products Purchased",
            "index": "products",
            "userToken": "anonymous-2",
            "timestamp": 1714560003000,
            "objectIDs": ["A", "C"],
            "objectData": [{"price": 9.5, "quantity": 2}, {"price": 3, "discount": 1, "quantity": 1}],
            "value": 22,
            "currency": "EUR",
        },
        {
            "eventType": "conversion",
            "eventName": "Wished For",
            "index": "products",
            "userToken": "anonymous-2",
            "timestamp": 1714560004000,
            "objectIDs": ["C"],
        },
        {
            "eventType": "click",
            "eventName": "Brand Clicked",
            "index": "products",
            "userToken": "anonymous-2",
            "timestamp": 1714560005000,
            "filters": ["brand:acme"],
        },
    ]
}


def test_algolias_events(tmp_path: Path) -> None:
    path = tmp_path / "algolia.json"
    path.write_text(json.dumps(ALGOLIA))
    made = loaded(path)
    assert events(made) == [
        ("ann", "A", "click", None, None),
        ("ann", "B", "click", None, None),
        ("anonymous-2", "A", "click", "view", None),
        ("anonymous-2", "A", "click", "addtocart", None),
        ("anonymous-2", "A", "purchase", None, 2.0),
        ("anonymous-2", "C", "purchase", None, 1.0),
        ("anonymous-2", "C", "click", "conversion", None),
    ]
    assert [reason for _, reason in made.refused()] == ["no item id"]  # a click on a filter
    path.write_text("\n".join(json.dumps(event) for event in ALGOLIA["events"]))
    assert events(loaded(path)) == events(made)


def google_retail(kind: str, second: int, products: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    details = {"productDetails": products} if products else {}
    return {
        "eventType": kind,
        "visitorId": "visitor-1",
        "eventTime": f"2024-05-01T10:00:{second:02}Z",
        "sessionId": "s1",
        **details,
        **more,
    }


P1, P2 = {"product": {"id": "P1"}, "quantity": 2}, {"product": {"id": "P2"}, "quantity": 1}
PAID = {"revenue": 30, "currencyCode": "EUR", "id": "t1"}


def test_google_retails_events(tmp_path: Path) -> None:
    lines = [
        google_retail("home-page-view", 0, []),
        google_retail("search", 1, [P1, P2], searchQuery="tea"),
        google_retail("detail-page-view", 2, [{"product": {"id": "P1"}}]),
        google_retail("add-to-cart", 3, [P1], cartId="c"),
        google_retail("purchase-complete", 4, [P1, P2], userInfo={"userId": "ann"}, purchaseTransaction=PAID),
        google_retail("category-page-view", 5, [P2], pageCategories=["Tea > Green"]),
    ]
    path = tmp_path / "user_events.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    made = loaded(path)
    assert events(made) == [
        ("visitor-1", None, "search_query", "search", None),
        ("visitor-1", "P1", "click", "detail-page-view", None),
        ("visitor-1", "P1", "click", "add-to-cart", None),
        ("ann", "P1", "purchase", "purchase-complete", 2.0),
        ("ann", "P2", "purchase", "purchase-complete", 1.0),
        ("visitor-1", "P2", "view_time", "category-page-view", None),
    ]
    assert made.interactions["query"].dropna().tolist() == ["tea"]
    assert set(made.interactions["session_id"]) == {"s1"} and made.refused() == [(1, "no item id")]


def test_events_whose_kind_is_a_list_or_that_are_around_others(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    click = {"user_id": "u", "item_id": "i", "timestamp": "2024-05-01"}
    path.write_text(json.dumps([{"eventType": ["click"], **click}]))
    assert events(loaded(path)) == [("u", "i", "click", None, None)]
    path.write_text(json.dumps([{"event_type": "search", "events": [{"query": "tea", **click}]}]))
    assert loaded(path).interactions["query"].tolist() == ["tea"]


CATALOGUES: dict[str, tuple[str, dict[str, Any]]] = {
    "yelp_business.jsonl": (
        '{"business_id":"b","name":"Cafe","stars":4.5,"review_count":7,"categories":"Coffee, Tea"}\n',
        {"item_id": "b", "title": "Cafe", "category": "Coffee", "rating": 4.5, "rating_count": 7},
    ),
    "instacart_products.csv": (
        "product_id,product_name,aisle_id,department_id\n1,Chocolate Sandwich Cookies,61,19\n",
        {"item_id": "1", "title": "Chocolate Sandwich Cookies"},
    ),
    "magento.csv": (
        "sku,attribute_set_code,product_type,categories,name,description,price,special_price\n"
        '24-MB01,Bag,simple,"Default Category/Gear",Joust Bag,<p>Nice &amp; soft</p>,34.00,30.00\n',
        {"item_id": "24-MB01", "description": "Nice & soft", "price": 30.0, "original_price": 34.0},
    ),
}


@pytest.mark.parametrize("name", CATALOGUES)
def test_catalogues_of_others(name: str, tmp_path: Path) -> None:
    text, meant = CATALOGUES[name]
    path = tmp_path / name
    path.write_text(text)
    assert loaded(path).item(meant["item_id"]).items() >= meant.items()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "instacart_order_products.csv",
            "order_id,product_id,add_to_cart_order,reordered\n1,49302,1,1\n",
            "say which column is the timestamp: .* --map timestamp=COLUMN --event-type purchase",
        ),
        (
            "transaction_data.csv",  # numbers of days, and times of day
            "household_key,BASKET_ID,DAY,PRODUCT_ID,TRANS_TIME\n2375,26984851472,1,1004906,1631\n",
            "say which column is the timestamp: .* --map timestamp=COLUMN --event-type purchase",
        ),
        ("awin.csv", "aw_product_id,product_name,search_price\n1,Lamp,2\n", "--map item_id=aw_product_id"),
    ],
)
def test_files_of_others_that_are_refused(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(WrongFormatError, match=said):
        loaded(path)


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_others(name: str, tmp_path: Path) -> None:
    text, meant = LOGS[name]
    (tmp_path / name).write_text(text)
    options = Options(columns={"user_id": "Kunde"}) if "Kunde" in text else None
    made = loaded(tmp_path / name, options)
    assert events(made) == meant
    assert made.refused() == []


def test_a_cart_weighs_more_than_a_view_as_by_api(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LOGS["2019-Oct.csv"][0])
    weights = loaded(tmp_path / "a.csv").interactions["weight"]
    assert [None if pd.isna(weight) else weight for weight in weights] == [None, 3.0, 0.0, None]


def test_rows_that_all_are_purchases(tmp_path: Path) -> None:
    (tmp_path / "transactions.csv").write_text(
        "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,000058,0663713001,0.0508,2\n"
    )
    with pytest.raises(WrongFormatError, match=r"no column event_type.*--event-type purchase"):
        ADAPTERS["interactions"].check(tmp_path / "transactions.csv", Options())
    made = loaded(tmp_path / "transactions.csv", Options(event_type="purchase"))
    assert events(made) == [("000058", "0663713001", "purchase", None, None)]
    assert "all rows are read as purchase" in made.notes


@pytest.mark.parametrize("mark", ["::", "\t"])
def test_a_file_without_names(mark: str, tmp_path: Path) -> None:
    rows = [["1", "1193", "5", "978300760"], ["1", "661", "3", "978302109"]]
    (tmp_path / "ratings.dat").write_text("".join(f"{mark.join(row)}\n" for row in rows))
    with pytest.raises(
        WrongFormatError, match="looks like data: name the 4 columns, in their order, by --header"
    ):
        detect(tmp_path / "ratings.dat", [ADAPTERS["interactions"]])
    made = loaded(tmp_path / "ratings.dat", Options(header=("user_id", "item_id", "rating", "timestamp")))
    assert events(made) == [("1", "1193", "rating", None, 5.0), ("1", "661", "rating", None, 3.0)]


def test_lines_of_woocommerces_orders(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "Order ID,Order Date,Customer User,SKU,Quantity (- Refund)\n"
        "7,2024-05-01 10:00,12,A1,2\n8,2024-05-01 11:00,0,B1,1\n"
    )
    options = Options(event_type="purchase", columns={"quantity": "Quantity (- Refund)"})
    made = loaded(path, options)
    assert events(made) == [("12", "A1", "purchase", None, 2.0), (None, "B1", "purchase", None, 1.0)]
    assert list(made.interactions["session_id"]) == ["7", "8"]


def test_plays_without_a_row_of_names(tmp_path: Path) -> None:
    path = tmp_path / "plays.tsv"
    path.write_text("user_1\t2009-05-04T23:08:57Z\tf1b1\tDeep Dish\t7e3b\tA title\n")
    names = ("user_id", "timestamp", "artist_id", "artist", "item_id", "title")
    assert events(loaded(path, Options(header=names, event_type="play"))) == [
        ("user_1", "7e3b", "click", "play", None)
    ]


def test_a_file_without_times_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n')
    with pytest.raises(
        WrongFormatError, match=r"no column timestamp; its columns are User-ID, ISBN, Book-Rating"
    ):
        ADAPTERS["interactions"].check(tmp_path / "a.csv", Options())


def test_the_nearest_column_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("customer_nr,product_code,event,time\n1,2,view,2024-05-01\n")
    with pytest.raises(WrongFormatError) as refused:
        ADAPTERS["interactions"].check(tmp_path / "a.csv", Options())
    assert "--map user_id=customer_nr" in str(refused.value)


SHOPIFY = """Handle,Title,Body (HTML),Vendor,Type,Tags,Variant SKU,Variant Price,Compare At Price,Image
cup,R&#039;s Cup,<p>Nice &amp; soft</p>,Acme,Kitchen,"red, tea",C-R,12.50,15.00,https://x/1.jpg
cup,,,,,,C-B,12.50,15.00,https://x/2.jpg
lamp,Lamp,,Acme,Home,,L-1,20,,https://x/3.jpg
"""


def test_variants_of_a_product_are_no_faults(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text(SHOPIFY)
    made = loaded(tmp_path / "products.csv", None)
    assert (made.rows, len(made.items), made.refused()) == (3, 3, [])
    cup = made.items.iloc[0]
    assert (cup["title"], cup["description"], cup["category"]) == ("R's Cup", "Nice & soft", "Kitchen")
    assert (cup["price"], cup["original_price"]) == (12.5, 15.0)
    assert cup["tags"].split("\x1f") == ["red", "tea"]
    assert cup["image_url"] == "https://x/1.jpg"


FEED = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>TV_1</g:id><g:title>LG Flatscreen</g:title><g:link>https://shop/tv</g:link>
<g:image_link>https://shop/tv.png</g:image_link><g:availability>in stock</g:availability>
<g:price>159.00 USD</g:price><g:sale_price>99.00 USD</g:sale_price>
<g:product_type>Home &gt; TV &gt; Flat</g:product_type></item>
<item><g:id>TV_2</g:id><g:title>Radio</g:title><g:price>12.50 EUR</g:price><g:sale_price/></item>
</channel></rss>"""


def test_a_feed_of_products(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(FEED)
    made = loaded(tmp_path / "feed.xml")
    first, second = made.item("TV_1"), made.item("TV_2")
    assert (first["title"], first["price"], first["original_price"]) == ("LG Flatscreen", 99.0, 159.0)
    assert (first["category"], first["sub_category"], first["tags"]) == ("Home", "TV", "Home\x1fTV\x1fFlat")
    assert (first["link"], first["image_url"], first["available"]) == (
        "https://shop/tv",
        "https://shop/tv.png",
        "true",
    )
    assert (second["price"], second["original_price"]) == (12.5, 12.5)


@pytest.mark.parametrize(
    ("told", "kept"),
    [(["red"], "red"), (["red", "red"], "red"), (["red", "blue", "red"], "red|blue"), (["", "red"], "red")],
)
def test_what_a_feed_tells_twice_of_an_item_is_told_once(tmp_path: Path, told: list[str], kept: str) -> None:
    titles = "".join(f"<g:title>{each}</g:title>" for each in told)
    (tmp_path / "feed.xml").write_text(FEED.replace("<g:title>LG Flatscreen</g:title>", titles))
    assert loaded(tmp_path / "feed.xml").item("TV_1")["title"] == kept


def test_of_a_name_at_several_depths_the_nearest_is_the_rows(tmp_path: Path) -> None:
    """Lines of orders of users, each with an `id` and a device: a row's are those of its own order."""
    value = {
        "id": "ann",
        "device": "desk",
        "orders": [
            {"id": "s1", "device": "phone", "events": [{"aid": "1"}, {"aid": "2", "id": "e2"}]},
            {"id": "s2", "events": [{"aid": "3"}]},
        ],
    }
    found = [(row["aid"], row.get("id"), row["outer.id"], row["outer.device"]) for row in rows_of(value)]
    assert found == [("1", None, "s1", "phone"), ("2", "e2", "s1", "phone"), ("3", None, "s2", "desk")]


def test_a_feed_as_a_table(tmp_path: Path) -> None:
    text = "id\ttitle\tprice\tsale_price\tgoogle_product_category\nA1\tCup\t9.00 USD\t7.50 USD\tHome > Cups\n"
    (tmp_path / "feed.tsv").write_text(text)
    item = loaded(tmp_path / "feed.tsv").item("A1")
    assert (item["price"], item["original_price"], item["category"]) == (7.5, 9.0, "Home")


def test_a_shop_of_another_country(tmp_path: Path) -> None:
    text = "ID;Name;Regular price;Sale price;Categories;Images\n11;Tee;12,99 €;;Küche > Tee, Bio;https://x/t.jpg\n"
    (tmp_path / "wc.csv").write_bytes(("sep=;\n" + text).encode("cp1252"))
    made = loaded(tmp_path / "wc.csv")
    item = made.item("11")
    assert (item["title"], item["price"], item["category"]) == ("Tee", 12.99, "Küche")
    assert "item_id is read from ID" in made.notes


def test_movies_with_genres(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n")
    movie = loaded(tmp_path / "movies.csv").item("1")
    assert (movie["category"], movie["sub_category"]) == ("Adventure", "Animation")
    assert movie["tags"] == "Adventure\x1fAnimation"


def test_packed_files(tmp_path: Path) -> None:
    text = LOGS["events.csv"][0].encode()
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("folder/events.csv", text)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    for name in ("one.zip", "a.gz"):
        assert events(loaded(tmp_path / name)) == LOGS["events.csv"][1]
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", text)
    with pytest.raises(WrongFormatError, match=r"a zip of 2 files \(a.csv, b.csv\)"):
        loaded(tmp_path / "two.zip")


def test_a_spreadsheet(tmp_path: Path) -> None:
    goods: list[list[object]] = [["SKU", "Name", "Price"], [17850, "Cup", 3.5]]
    made = loaded(write_book(tmp_path / "goods.xlsx", {"Goods": goods}))
    assert (made.item("17850")["title"], made.item("17850")["price"]) == ("Cup", 3.5)
    assert "the sheet Goods is read" in made.notes


def test_a_workbook_of_several_sheets(tmp_path: Path) -> None:
    sheets: dict[str, list[list[object]]] = {
        "Goods": [["SKU", "Name"], [17850, "Cup"]],
        "Old goods": [["SKU", "Name"], [17851, "Pan"]],
        "Notes": [["nothing"]],
    }
    book = write_book(tmp_path / "goods.xlsx", sheets)
    made = loaded(book)
    assert made.item("17850")["title"] == "Cup"
    assert "sheet 1 of 3 is read: Goods; --sheet NAME reads another: Old goods, Notes" in made.notes
    assert loaded(book, Options(sheet="Old goods")).item("17851")["title"] == "Pan"
    with pytest.raises(WrongFormatError, match="no sheet Orders; its sheets are Goods, Old goods, Notes"):
        ADAPTERS["items"].check(book, Options(sheet="Orders"))


def test_times_that_are_not_known_or_impossible(tmp_path: Path) -> None:
    times = ["0", "2999-01-01", "3/4/2024", "20240501", "Wed, 01 May 2024 12:30:00 +0200", "someday"]
    rows = "".join(f'u,i,click,"{time}"\n' for time in times)
    (tmp_path / "a.csv").write_text("user_id,item_id,event_type,timestamp\n" + rows)
    made = loaded(tmp_path / "a.csv")
    assert made.refused() == [
        (2, "timestamp is 0: not known"),
        (3, "timestamp is in the future"),
        (4, "no readable timestamp"),
        (7, "no readable timestamp"),
    ]
    assert [str(moment) for moment in made.interactions["occurred_at"]] == [
        "2024-05-01 00:00:00+00:00",
        "2024-05-01 10:30:00+00:00",
    ]
    assert any("--day-first" in note for note in made.notes)
    assert str(loaded(tmp_path / "a.csv", Options(day_first=True)).interactions["occurred_at"].iloc[0]) == (
        "2024-04-03 00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<html><body><p>no</p></body></html>", "its elements are html, body, p"),
        ('[{"user": 1}, {"user"', "damaged JSON"),
        ("<feed><item><id>1</id>", "damaged XML"),
        ("[]", "no rows with fields in this JSON"),
    ],
)
def test_what_is_no_table_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(Exception, match=told):
        ADAPTERS["interactions"].check(tmp_path / "a", Options())


def test_google_analytics_as_parquet_is_what_it_is_as_json(tmp_path: Path) -> None:
    """BigQuery writes both; a parameter's value is one of several fields, of which the others are null."""

    def parameter(key: str, **value: object) -> dict[str, object]:
        empty = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
        return {"key": key, "value": empty | value}

    row = {
        "event_date": "20240501",
        "event_timestamp": 1714560000123456,
        "event_name": "add_to_cart",
        "user_pseudo_id": "12.34",
        "event_params": [parameter("ga_session_id", int_value=99), parameter("page", string_value="Cart")],
        "device": {"category": "mobile"},
        "items": [{"item_id": "T1", "item_name": "Tea", "quantity": 2}, {"item_id": "T2", "quantity": None}],
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "events.parquet")
    (tmp_path / "events.json").write_text(json.dumps(row))
    packed, plain = (loaded(tmp_path / f"events.{form}") for form in ("parquet", "json"))
    columns = ["user_id", "item_id", "event_type", "event_name", "session_id", "value", "occurred_at"]
    pd.testing.assert_frame_equal(packed.interactions[columns], plain.interactions[columns])
    assert packed.interactions["session_id"].tolist() == ["99", "99"]
    assert packed.interactions["item_id"].tolist() == ["T1", "T2"]


def variants(made: Made) -> dict[str, tuple[str, str | None]]:
    """Title of each item, and what it is a variant of."""
    rows = zip(made.items["item_id"], made.items["title"], made.items["attributes"], strict=True)
    return {
        item_id: (title, None if pd.isna(more) else json.loads(more)["variant_of"])
        for item_id, title, more in rows
    }


def test_shopifys_variants_are_items_of_one_handle_where_orders_name_them(tmp_path: Path) -> None:
    text = (
        "Handle,Title,Type,Published,Variant SKU,Option1 Value,Variant Price\n"
        "shirt,Shirt,Clothes,false,SH-S,S,20\nshirt,,,,SH-M,M,21\ncup,Cup,,true,CUP,,5\n"
    )
    (tmp_path / "products.csv").write_text(text)
    made = loaded(tmp_path / "products.csv", Options(columns={"item_id": "Variant SKU"}))
    assert variants(made) == {
        "SH-S": ("Shirt", "shirt"),
        "SH-M": ("Shirt", "shirt"),
        "CUP": ("Cup", "cup"),
    }
    medium = made.item("SH-M")
    assert (medium["category"], medium["hidden"], medium["price"]) == ("Clothes", "true", 21.0)
    by_handle = loaded(tmp_path / "products.csv").items
    assert set(by_handle["item_id"]) == {"shirt", "cup"} and by_handle["attributes"].isna().all()


def test_woocommerces_variations_name_their_parent_by_id_or_article_number(tmp_path: Path) -> None:
    text = (
        "ID,Type,SKU,Name,Published,Regular price,Parent\n"
        "1,variable,hood,Hoodie,1,,\n2,variation,hood-b,Hoodie - Blue,1,40,hood\n"
        "3,variable,,Cap,1,,\n4,variation,,Cap - Red,1,9,id:3\n5,simple,mug,Mug,1,5,\n"
    )
    (tmp_path / "wc-products.csv").write_text(text)
    found = variants(loaded(tmp_path / "wc-products.csv"))
    assert {item_id: parent for item_id, (_, parent) in found.items()} == {
        **{"1": None, "3": None, "5": None},
        **{"2": "1", "4": "3"},
    }


def test_googles_item_groups_are_variants(tmp_path: Path) -> None:
    text = "id\ttitle\tprice\titem_group_id\nA\tShoe 41\t50 EUR\tshoe\nB\tShoe 42\t50 EUR\tshoe\n"
    (tmp_path / "feed.tsv").write_text(text)
    assert {parent for _, parent in variants(loaded(tmp_path / "feed.tsv")).values()} == {"shoe"}


def test_every_line_of_shopifys_order_is_of_who_its_first_line_names(tmp_path: Path) -> None:
    text = (
        "Name,Email,Paid at,Created at,Lineitem quantity,Lineitem name,Lineitem sku\n"
        "#1,ann@x.org,2024-05-01 10:00:00 +0100,2024-05-01 10:00:00 +0100,2,Shirt,SH-S\n"
        "#1,,,2024-05-01 10:00:00 +0100,1,Cup,CUP\n#2,,,2024-05-02 10:00:00 +0100,1,Cup,CUP\n"
    )
    (tmp_path / "orders.csv").write_text(text)
    made = loaded(tmp_path / "orders.csv", Options(event_type="purchase"))
    users = [None if pd.isna(user) else user for user in made.interactions["user_id"]]
    assert users == ["ann@x.org", "ann@x.org", None] and made.refused() == []
    assert made.interactions["session_id"].tolist() == ["#1", "#1", "#2"]


def test_events_without_items_stand_beside_those_with_some(tmp_path: Path) -> None:
    """Most of Analytics' events name no item; those of the others are read all the same, and searches are."""
    around = {"event_timestamp": "1714560000123456", "user_pseudo_id": "7.1"}
    lines = [
        around | {"event_name": "page_view", "items": []},
        around | {"event_name": "view_item", "items": [{"item_id": "T1"}]},
        around
        | {
            "event_name": "view_search_results",
            "event_params": [{"key": "search_term", "value": {"string_value": "tea"}}],
        },
    ]
    (tmp_path / "events.json").write_text("\n".join(map(json.dumps, lines)))
    made = loaded(tmp_path / "events.json")
    found = [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in made.interactions[["user_id", "item_id", "event_type", "query"]]
        .astype("object")
        .to_numpy()
        .tolist()
    ]
    assert found == [("7.1", "T1", "click", None), ("7.1", None, "search_query", "tea")]
    assert made.refused() == [(1, "no item id")]


def test_the_number_of_an_order_around_its_lines_is_their_session(tmp_path: Path) -> None:
    orders = [
        {
            "id": number,
            "created_at": "2024-05-01T10:00:00Z",
            "customer": {"id": f"c{number % 2}"},
            "line_items": [{"id": 10 * number + line, "sku": sku} for line, sku in enumerate("AB")],
        }
        for number in (1, 2, 3)
    ]
    (tmp_path / "orders.json").write_text(json.dumps({"orders": orders}))
    made = read_file("interactions", tmp_path / "orders.json", Options(event_type="purchase"))
    rows = made.interactions[["user_id", "session_id", "item_id"]].to_numpy().tolist()
    assert rows == [[f"c{number % 2}", str(number), sku] for number in (1, 2, 3) for sku in "AB"]
    assert "session_id is read from outer.id" in made.notes


def test_the_id_around_events_without_a_user_is_no_session(tmp_path: Path) -> None:
    """It may be that of the user."""
    visits = [{"id": "u7", "events": [{"sku": "A", "event": "view", "time": "2024-05-01"}]}]
    (tmp_path / "visits.json").write_text(json.dumps(visits))
    with pytest.raises(WrongFormatError, match="--map user_id"):
        ADAPTERS["interactions"].check(tmp_path / "visits.json", Options())
