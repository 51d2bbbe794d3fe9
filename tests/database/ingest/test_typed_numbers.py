"""A number that a file has as a number is that number, however the texts beside it are written."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.ingest import Options
from tests.database.ingest.reading import read_file, write_book

CELLS = st.lists(st.tuples(st.integers(1, 10**9), st.booleans()), min_size=1, max_size=12)
"""Thousandths of each price, and whether it is written as a number."""


def as_text(value: float, *, comma: bool) -> str:
    return f"{value:.3f}".replace(".", "," if comma else ".")


@settings(max_examples=50, deadline=None)
@given(cells=CELLS, comma=st.booleans(), lines=st.booleans())
def test_numbers_of_json_stay_what_they_are_beside_texts(
    cells: list[tuple[int, bool]], comma: bool, lines: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    meant = [thousandths / 1000 for thousandths, _ in cells]
    rows = [
        {"sku": f"I{place}", "name": "Cup", "price": value if typed else as_text(value, comma=comma)}
        for place, (value, (_, typed)) in enumerate(zip(meant, cells, strict=True))
    ]
    path = tmp_path_factory.getbasetemp() / "mixed.json"
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows))
    made = read_file("items", path, Options(decimal_comma=comma))
    assert made.items["price"].tolist() == pytest.approx(meant)
    assert not made.nulled


def test_a_few_numbers_do_not_change_how_texts_are_read(tmp_path: Path) -> None:
    prices = ["3,50", 123.456, 1.5, 2.25, "12,00", 7]
    rows = [{"sku": f"I{place}", "name": "Cup", "price": price} for place, price in enumerate(prices)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    made = read_file("items", tmp_path / "a.json")
    assert made.items["price"].tolist() == [3.5, 123.456, 1.5, 2.25, 12.0, 7.0]
    assert "price is read with a decimal comma" in made.notes


def test_ratings_as_numbers_beside_texts_are_of_one_scale(tmp_path: Path) -> None:
    stars = ["8,5", 8.125, "10,0", 9.5]
    rows = [
        {"user_id": "u", "item_id": f"I{place}", "rating": each, "time": "2024-05-01"}
        for place, each in enumerate(stars)
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    made = read_file("interactions", tmp_path / "a.json", Options(rating_scale=(0.0, 10.0)))
    assert made.interactions["value"].tolist() == pytest.approx([4.4, 4.25, 5.0, 4.8])
    guessed = read_file("interactions", tmp_path / "a.json")
    assert not guessed.refused()


def test_numbers_of_a_sheet_stay_what_they_are_beside_texts(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["SKU", "Name", "Price"],
        ["A", "Cup", "3,50"],
        ["B", "Pan", 123.456],
        ["C", "Tea", "1.234,00"],
    ]
    path = write_book(tmp_path / "goods.xlsx", {"Goods": rows})
    assert read_file("items", path).items["price"].tolist() == [3.5, 123.456, 1234.0]


def test_a_refused_row_shows_its_number(tmp_path: Path) -> None:
    rows = [{"sku": "A", "name": "Cup", "price": "3,50"}, {"sku": "B", "price": 123.456}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (raw,) = read_file("items", tmp_path / "a.json").rejected["raw"]
    assert "123,456" in raw and "\x1e" not in raw
