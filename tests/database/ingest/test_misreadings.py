"""What a file says is what is read: numbers, encodings, scales, quotes, missing values and ids."""

from pathlib import Path

import pandas as pd
import pytest

from database.ingest import IngestError, Options
from tests.database.ingest.reading import Made, read_file

EVENTS = "user_id,item_id,event_type,timestamp,value\n"


def items(folder: Path, text: str | bytes, options: Options | None = None) -> Made:
    (folder / "items.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file("items", folder / "items.csv", options)


def events(folder: Path, text: str | bytes, options: Options | None = None) -> Made:
    (folder / "events.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file("interactions", folder / "events.csv", options)


def values(made: Made) -> list[float]:
    return [round(float(value), 6) for value in made.interactions["value"]]


def test_a_decimal_comma_is_none_of_thousands(tmp_path: Path) -> None:
    text = 'item_id,title,price\n1,Tea,"3,50"\n2,Cup,"12,00"\n4,Pan,7\n5,Pot,"1.299,00"\n6,Urn,"1.299"\n'
    made = items(tmp_path, text)
    assert list(made.items["price"]) == [3.5, 12.0, 7.0, 1299.0, 1299.0]
    assert made.notes == ("price is read with a decimal comma",)
    assert not made.nulled


def test_quantities_and_currencies_have_decimal_commas_too(tmp_path: Path) -> None:
    made = events(tmp_path, EVENTS + 'a,i,purchase,2024-05-06,"1,5"\na,j,purchase,2024-05-06,2\n')
    assert values(made) == [1.5, 2.0]
    made = items(tmp_path, "item_id;title;price\n1;Tea;€ 19,90\n2;Cup;12,99 €\n3;Pan;EUR 1.000,5\n")
    assert list(made.items["price"]) == [19.9, 12.99, 1000.5]


def test_thousands_are_groups_of_three_or_as_in_india(tmp_path: Path) -> None:
    made = items(
        tmp_path, 'item_id,title,price\n1,Tea,"₹1,399"\n2,Cup,"₹1,49,990.50"\n3,Pan,"3,50"\n4,Pot,$2.5\n'
    )
    assert made.item("1")["price"] == 1399.0
    assert made.item("2")["price"] == 149990.5
    assert (made.item("3")["price"], made.item("4")["price"]) == (None, 2.5)
    assert made.nulled == {"price is not a number": 1}


def test_what_can_be_read_both_ways_is_decided_by_an_option_and_said(tmp_path: Path) -> None:
    text = 'item_id,title,price\n1,Tea,"1,399"\n2,Cup,7\n'
    point, comma = items(tmp_path, text), items(tmp_path, text, Options(decimal_comma=True))
    assert (point.item("1")["price"], comma.item("1")["price"]) == (1399.0, 1.399)
    assert point.notes == ("price: 1,399 is read as 1399; with --decimal comma it is read the other way",)
    assert comma.notes == ("price: 1,399 is read as 1.399; with --decimal point it is read the other way",)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_users_that_differ_by_an_accent_stay_apart(tmp_path: Path, encoding: str) -> None:
    users = ["andré", "andrè", "andrê"]
    text = EVENTS + "".join(f"{user},Café,click,2024-05-06,\n" for user in users)
    made = events(tmp_path, text.encode(encoding))
    assert list(made.interactions["user_id"]) == users
    assert set(made.interactions["item_id"]) == {"Café"}
    said = {"latin-1": "cp1252", "cp1252": "cp1252", "utf-16": "utf-16"}.get(encoding)
    assert made.notes == (() if said is None else (f"the text is read as {said}",))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [b"A,Tea", b"B,Caf\xc3\xa9", b"C,Caf\xe9"],
            "line 4 has the byte 0xE9, which is not UTF-8, while line 3 is",
        ),
        ([b"A,Caf\xe9", b"B,\x81x"], "line 3 has the byte 0x81, which is not UTF-8"),
    ],
)
def test_text_in_no_one_encoding_is_refused_with_line_and_byte(
    tmp_path: Path, lines: list[bytes], told: str
) -> None:
    with pytest.raises(IngestError, match=told):
        items(tmp_path, b"\n".join([b"item_id,title", *lines]))


def test_an_encoding_can_be_stated(tmp_path: Path) -> None:
    made = items(tmp_path, "item_id,title\nA,Łódź\n".encode("cp1250"), Options(encoding="cp1250"))
    assert made.item("A")["title"] == "Łódź"
    with pytest.raises(IngestError, match="not in the encoding"):
        items(tmp_path, "item_id,title\nA,Łódź\n".encode("cp1250"), Options(encoding="utf-8"))


@pytest.mark.parametrize(
    ("stated", "stored", "scale"),
    [
        ((9, 3, 10, 1), (5 - 4 / 9, 1 + 8 / 9, 5, 1), "1..10"),
        ((0.5, 5, 2.75), (1, 5, 3), "0.5..5"),
        ((0, 10, 5), (1, 5, 3), "0..10"),
        ((0, 100, 50), (1, 5, 3), "0..100"),
        ((1, 4.5, 5), (1, 4.5, 5), None),
    ],
)
def test_the_scale_of_ratings_is_that_of_the_column(
    tmp_path: Path, stated: tuple[float, ...], stored: tuple[float, ...], scale: str | None
) -> None:
    rows = "".join(f"u,i{n},rating,2024-05-06,{value}\n" for n, value in enumerate(stated))
    made = events(tmp_path, EVENTS + rows + "u,x,purchase,2024-05-06,400\n")
    assert values(made) == pytest.approx([*stored, 400])
    said = f"ratings are read as {scale}, and stored on the scale of five stars"
    assert made.notes == (() if scale is None else (said,))


def test_ratings_of_no_known_scale_are_all_refused(tmp_path: Path) -> None:
    text = EVENTS + "".join(f"u,i{n},rating,2024-05-06,{value}\n" for n, value in enumerate((-1, 3, 9)))
    made = events(tmp_path, text)
    assert {reason for _, reason in made.refused()} == {"rating of an unknown scale"}
    assert (made.rows, len(made.rejected)) == (3, 3)
    assert "--rating-scale" in made.notes[0]
    made = events(tmp_path, text, Options(rating_scale=(1, 10)))
    assert made.refused() == [(2, "rating is not within 1..10")]


def test_a_stray_number_among_many_stars_is_no_other_scale(tmp_path: Path) -> None:
    stars = [1 + n % 5 for n in range(200)]
    made = events(tmp_path, EVENTS + "".join(f"u,i,rating,2024-05-06,{value}\n" for value in [*stars, 9]))
    assert values(made) == stars
    assert made.refused() == [(202, "rating is not within 1..5")]


def test_the_mean_ratings_of_items_have_a_scale_too(tmp_path: Path) -> None:
    made = items(tmp_path, "item_id,title,rating\nA,Anime,8.2\nB,Other,3\n")
    assert list(made.items["rating"]) == pytest.approx([4.1, 1.5])
    assert made.notes == ("ratings are read as 0..10, and stored on the scale of five stars",)
    assert list(items(tmp_path, "item_id,title,rating\nA,x,4.1\nB,y,0\n").items["rating"]) == [4.1, 0]


def test_an_unbalanced_quote_loses_its_own_row_only(tmp_path: Path) -> None:
    made = items(
        tmp_path, 'item_id,title,price\nF1,Cup,3\nF2,"27 inch monitor,199\nF3,"Lamp",12\nF4,Pan,20\n'
    )
    assert list(made.items["item_id"]) == ["F1", "F3", "F4"]
    assert made.refused() == [(3, "a quote is not closed or in the wrong place")]
    assert list(made.rejected["raw"]) == ['F2,"27 inch monitor,199']
    assert made.rows == 4


def test_an_unbalanced_quote_without_another_after_it(tmp_path: Path) -> None:
    made = items(tmp_path, 'item_id,title\nF1,"Cup\nF2,Pan\nF3,Pot')
    assert list(made.items["item_id"]) == ["F2", "F3"]
    assert [line for line, _ in made.refused()] == [2]


def test_lines_within_quotes_are_one_row(tmp_path: Path) -> None:
    text = 'item_id,title,description\r\nA,"Big\r\nlamp","one, two,\nthree ""four"""\r\nB,Cup,5" wide\r\n'
    made = items(tmp_path, text)
    assert made.item("A")["title"] == "Big lamp"
    assert made.item("A")["description"] == 'one, two, three "four"'
    assert made.item("B")["description"] == '5" wide'
    assert not made.refused()
    assert list(made.items["line"]) == [2, 5]


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (r'"Box 9\" wide"', 'Box 9" wide'),
        (r'"Box 9\""', 'Box 9"'),
        (r'"Box 9\", wide"', 'Box 9", wide'),
        (r'"\"Box\" \"9\""', '"Box" "9"'),
        (r'"C:\box\"', "C:\\box\\"),
        (r'"Box 9"" wide"', 'Box 9" wide'),
    ],
)
def test_a_quote_after_a_backslash(tmp_path: Path, written: str, title: str) -> None:
    made = items(tmp_path, f'item_id,title,price\nS1,{written},5\nS2,"Cup",6\nS3,Pan,7\n')
    assert list(made.items["title"]) == [title, "Cup", "Pan"]
    assert not made.refused()


@pytest.mark.parametrize("word", ["NULL", r"\N", "None", "nan", "NaN"])
def test_words_for_nothing_are_missing_values(tmp_path: Path, word: str) -> None:
    made = events(
        tmp_path,
        EVENTS + f"{word},i,click,2024-05-06,\nu,{word},click,2024-05-06,{word}\nu,i,click,2024-05-06,\n",
    )
    assert made.refused() == [(2, "no user id"), (3, "no item id")]
    assert made.nulled == {
        f'user_id is "{word}": read as missing': 1,
        f'item_id is "{word}": read as missing': 1,
    }
    made = items(tmp_path, f"item_id,title,category\nA,Tea,{word}\nB,{word},hot\n")
    assert made.item("A")["category"] is None
    assert made.refused() == [(3, "no title")]


def test_an_item_may_be_called_na(tmp_path: Path) -> None:
    made = items(tmp_path, "item_id,title\nNA,Sodium\nB,None\n", Options(keep_null_words=True))
    assert list(made.items["item_id"]) == ["NA", "B"]
    assert list(made.items["title"]) == ["Sodium", "None"]


@pytest.mark.parametrize("kind", ["csv", "text", "floats"])
def test_ids_that_became_fractions_are_whole_again(tmp_path: Path, kind: str) -> None:
    users = ["17850.0", "17850", "1e+15", "1000000000000000.0"]
    frame = pd.DataFrame(
        {"user_id": users, "item_id": "i", "event_type": "click", "timestamp": 1_715_000_000}
    )
    if kind == "floats":
        frame["user_id"] = frame["user_id"].astype("float64")
    path = tmp_path / ("f.csv" if kind == "csv" else "f.parquet")
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    made = read_file("interactions", path)
    assert list(made.interactions["user_id"]) == ["17850", "17850", "1000000000000000", "1000000000000000"]
    assert made.notes == ("user_id is read as whole numbers",)


@pytest.mark.parametrize("ids", [("1.0", "1.1"), ("1.0", "a"), ("007", "8.0"), ("12e3", "12000")])
def test_ids_that_only_look_like_fractions_stay_as_they_are(tmp_path: Path, ids: tuple[str, ...]) -> None:
    made = items(tmp_path, "item_id,title\n" + "".join(f"{name},x\n" for name in ids))
    assert tuple(made.items["item_id"]) == ids
