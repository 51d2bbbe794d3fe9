"""Files in which the obvious column or row is the wrong one."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from database.ingest import IngestError, Options, WrongFormatError
from tests.database.ingest.reading import Made, read_file

Rows = list[tuple[Any, ...]]


def cells(frame: pd.DataFrame, names: list[str]) -> Rows:
    """The frame's cells, null as None."""
    rows = frame[names].astype("object").itertuples(index=False, name=None)
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in rows]


def made(folder: Path, adapter: str, content: Any, name: str = "file", **options: Any) -> Made:
    """The file with this content, text or JSON, as the adapter reads it."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    return read_file(adapter, folder / name, Options(**options))


PICTURES = [{"id": 10, "src": "http://a"}, {"id": 11, "src": "http://b"}]
ITEMS: dict[str, tuple[Any, list[str], Rows]] = {
    "pictures and categories are parts of a product": (
        {"id": 1, "title": "Tea", "images": PICTURES, "categories": [{"id": 9, "name": "Kitchen"}]},
        ["item_id", "title", "category", "image_url"],
        [("1", "Tea", "Kitchen", "http://a")],
    ),
    "so are reviews and attributes": (
        [{"sku": "A", "name": "Tea", "reviews": [{"id": 7, "title": "Awful", "rating": 1}]}],
        ["item_id", "title", "rating"],
        [("A", "Tea", None)],
    ),
    "a set is an item": (
        {"id": 1, "name": "Set", "products": [{"id": 2}, {"id": 3}]},
        ["item_id", "title"],
        [("1", "Set")],
    ),
    "the feed's title is no item's": (
        {"title": "My feed", "products": [{"id": 1, "name": "Tea"}]},
        ["item_id", "title"],
        [("1", "Tea")],
    ),
    "a sale price may be missing": (
        "id,name,price,sale_price,msrp\n1,Tea,10,,12\n2,Cup,10,8,12\n",
        ["item_id", "price", "original_price"],
        [("1", 10.0, 12.0), ("2", 8.0, 12.0)],
    ),
    "an id is surer than a product": (
        "id,product,name\n1,Mugs,Blue\n2,Mugs,Red\n",
        ["item_id"],
        [("1",), ("2",)],
    ),
    "an empty SKU is no lack of an id": ("ID,Name,SKU\n1,Tea,\n", ["item_id"], [("1",)]),
    "drafts are hidden": (
        "ID,Name,Published,Status,Visibility in catalog\n"
        "1,A,-1,,visible\n2,B,1,,hidden\n3,C,1,draft,\n4,D,1,active,\n",
        ["item_id", "hidden"],
        [("1", "true"), ("2", "true"), ("3", "true"), ("4", "false")],
    ),
    "lists written as text": (
        'id,name,tags\n1,A,"{tea,green}"\n2,B,"[""a"",""b""]"\n',
        ["tags"],
        [("tea\x1fgreen",), ("a\x1fb",)],
    ),
    "one element in two namespaces": (
        "<rss xmlns:g='x'><channel><item><title>Tea</title><g:title>Tea</g:title><g:id>1</g:id>"
        "<image>http://a</image><image>http://b</image><description>Nice <b>tea</b> here</description>"
        "</item></channel></rss>",
        ["item_id", "title", "image_url", "description"],
        [("1", "Tea", "http://a", "Nice tea here")],
    ),
    "an attribute beside an element": (
        "<products><product id='1'><id>SKU</id><name>Tea</name></product></products>",
        ["item_id", "title"],
        [("SKU", "Tea")],
    ),
}


@pytest.mark.parametrize("case", ITEMS)
def test_items(case: str, tmp_path: Path) -> None:
    content, names, meant = ITEMS[case]
    found = made(tmp_path, "items", content)
    assert (cells(found.items, names), found.refused()) == (meant, [])


def event(**fields: Any) -> dict[str, Any]:
    """A click with some fields."""
    return {"user_id": "u", "item_id": "i", "event_type": "click", "timestamp": "2024-05-01"} | fields


LOGS: dict[str, tuple[Any, dict[str, Any], list[str], Rows]] = {
    "what surrounds a click is no click": (
        event(context=[{"item_id": "X", "timestamp": "2023-01-01"}]),
        {},
        ["item_id"],
        [("i",)],
    ),
    "a line of an order is one purchase, however many taxes it has": (
        {
            "orders": [
                {
                    "email": "a@b",
                    "created_at": "2024-05-01",
                    "line_items": [
                        {"id": 9, "sku": "S", "quantity": 2, "tax_lines": [{"rate": 1}, {"rate": 2}]}
                    ],
                }
            ]
        },
        {"event_type": "purchase"},
        ["user_id", "item_id", "value"],
        [("a@b", "S", 2.0)],
    ),
    "the row's own time and user come before those around it": (
        {"timestamp": "2026-11-01", "user_id": "exporter", "events": [event(user_id="7")]},
        {},
        ["user_id", "occurred_at"],
        [("7", pd.Timestamp("2024-05-01", tz="UTC"))],
    ),
    "what an order is worth is no quantity": (
        event(event_type="purchase", value=80) | {"products": [{"sku": "i", "quantity": 2}, {"sku": "j"}]},
        {},
        ["item_id", "value"],
        [("i", 2.0), ("j", None)],
    ),
    "neither is a value beside a quantity": (
        "user_id,item_id,timestamp,value,quantity\nu,i,2024-05-01,59.9,2\n",
        {"event_type": "purchase"},
        ["value"],
        [(2.0,)],
    ),
    "the scale of ratings, whatever the word for a rating": (
        "user_id,item_id,event_type,timestamp,value\n"
        + "".join(f"u,i,rate,2024-05-01,{rating}\n" for rating in range(1, 11)),
        {},
        ["value"],
        [(pytest.approx(1 + (rating - 1) * 4 / 9),) for rating in range(1, 11)],
    ),
    "a name is no user id": (
        event(user={"name": "Al", "id": "77"}) | {"user_id": None},
        {"columns": {"user_id": "user.id"}},
        ["user_id"],
        [("77",)],
    ),
    "a guest is known by the device": (
        [event(user_id=None, user_pseudo_id="d"), event(user_pseudo_id="e")],
        {},
        ["user_id"],
        [("d",), ("u",)],
    ),
    "a type that is said comes before a column that is called so": (
        "user_id,item_id,type,timestamp\nu,i,book,2024-05-01\n",
        {"event_type": "purchase"},
        ["event_type"],
        [("purchase",)],
    ),
    "date and time of day": (
        "user_id,item_id,event_type,date,time\nu,i,click,2024-05-01,10:00:00\n",
        {},
        ["occurred_at"],
        [(pd.Timestamp("2024-05-01 10:00", tz="UTC"),)],
    ),
    "names with other marks in them than the delimiter": (
        "1::a|b|c|d|e::5::978300760\n",
        {"header": ("user_id", "item_id", "rating", "timestamp")},
        ["item_id", "value"],
        [("a|b|c|d|e", 5.0)],
    ),
}


@pytest.mark.parametrize("case", LOGS)
def test_logs(case: str, tmp_path: Path) -> None:
    content, options, names, meant = LOGS[case]
    found = made(tmp_path, "interactions", content, **options)
    assert (cells(found.interactions, names), found.refused()) == (meant, [])


@pytest.mark.parametrize("text", ["24-05-01", "23/12/13", "24.04.03", "45/4/2024", "3/4/2024", "3/4/24"])
def test_a_date_that_may_be_another_is_rejected(text: str, tmp_path: Path) -> None:
    found = made(tmp_path, "interactions", f"user_id,item_id,event_type,timestamp\nu,i,click,{text}\n")
    assert found.refused() == [(2, "no readable timestamp")]


def test_short_years_are_read_if_it_is_said_what_comes_first(tmp_path: Path) -> None:
    text = "user_id,item_id,event_type,timestamp\nu,i,click,3/4/24\n"
    for day_first, meant in ((True, "2024-04-03"), (False, "2024-03-04")):
        found = made(tmp_path, "interactions", text, day_first=day_first)
        assert cells(found.interactions, ["occurred_at"]) == [(pd.Timestamp(meant, tz="UTC"),)]


def test_a_word_for_nothing_is_no_other_id(tmp_path: Path) -> None:
    text = "user_id,item_id,event_type,timestamp\n" + "".join(
        f"{user},i,click,2024-05-01\n" for user in ("\\N", "17850.0", "17850")
    )
    found = made(tmp_path, "interactions", text)
    assert (cells(found.interactions, ["user_id"]), found.refused()) == (
        [("17850",)] * 2,
        [(2, "no user id")],
    )


def test_other_columns_leave_the_keys_of_a_log_as_they_were(tmp_path: Path) -> None:
    plain = "user_id,item_id,event_type,timestamp{}\nu,i,purchase,2024-05-01{}\n"
    keys = [
        made(tmp_path, "interactions", plain.format(names, values)).interactions["natural_key"].iloc[0]
        for names, values in (("", ""), (",order_id,quantity,q", ",O1,2,shoe"))
    ]
    assert keys == ["interactions|u|i|purchase||||2024-05-01 00:00:00+00:00"] * 2


def test_a_column_that_is_not_there_can_not_be_said(tmp_path: Path) -> None:
    with pytest.raises(
        WrongFormatError, match=r"no column SKU_2, which --map item_id names; its columns are SKU2"
    ):
        made(tmp_path, "items", "SKU2,product,name\n1,Blue mug,x\n", columns={"item_id": "SKU_2"})


def test_an_array_that_is_cut_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="the list does not end"):
        made(tmp_path, "interactions", json.dumps([event(), event()])[:-1])


def test_a_broken_first_line_is_one_line(tmp_path: Path) -> None:
    found = made(tmp_path, "interactions", '{"user_id":broken\n' + json.dumps(event()) + "\n")
    assert (len(found.interactions), found.refused()) == (1, [(1, "not a JSON object")])


def test_an_array_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    found = made(tmp_path, "interactions", [event(item_id=f"i{number}") for number in range(30_000)])
    assert (found.rows, found.interactions["item_id"].nunique()) == (30_000, 30_000)


@pytest.mark.parametrize("name", ["Kunde", "customer_nr"])
def test_who_bought_is_not_lost_to_the_number_of_the_order(name: str, tmp_path: Path) -> None:
    """With a session a log needs no user; one that seems to name users all the same is none of guests."""
    text = f"order_id,{name},sku,date,event\n7,ann,A,2024-05-01,order\n"
    with pytest.raises(WrongFormatError, match=f"--map user_id={name}"):
        made(tmp_path, "interactions", text)
    stated = made(tmp_path, "interactions", text, columns={"user_id": name})
    assert cells(stated.interactions, ["user_id", "session_id"]) == [("ann", "7")]
