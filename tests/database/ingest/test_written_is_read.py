"""Generated tables, written in every form that the platform reads: what is loaded is what was written.

SHORTLIST_CASES=100000 draws as many tables; there are up to 10 rows in one. Beside them there are long tables
in each form: 12,000 rows, of which each is loaded as it was written or refused.
"""

import csv
import gzip
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, Options, ingest_file
from database.ingest.fields import NULL_WORDS
from tests.database.ingest.reading import read_file

Query = Callable[[str], list[tuple[Any, ...]]]
CASES = int(os.environ.get("SHORTLIST_CASES", "60"))
ASCII = "ab Z019,;\t|\"'\\\n.-#%"
LETTERS = {
    "ascii": ASCII,
    "cp1252": ASCII + "äöüßéèê",
    "xml": ASCII.replace("\n", "") + "äé€日本\U0001f600",
    "unicode": ASCII + "äé€\u00a0\u2028łя日本\U0001f600\u0301",
}
LONGEST = 64


@dataclass(frozen=True)
class Form:
    """How a table is written. `letters` are those of its texts."""

    kind: str
    letters: str
    encoding: str = "utf-8"
    delimiter: str = ","
    quote_all: bool = False
    line_end: str = "\n"
    packed: bool = False

    def write(self, folder: Path, columns: dict[str, list[Any]], types: dict[str, pa.DataType]) -> Path:
        """Write the columns: as texts, or in Parquet with types, text where none is given."""
        if self.kind == "parquet":
            path = folder / "table.parquet"
            arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
            pq.write_table(pa.table(arrays), path)
            return path
        if self.kind != "csv":
            path = folder / f"table.{self.kind}"
            path.write_bytes(self._objects(columns))
            return path
        target = io.StringIO(newline="")
        writer = csv.writer(
            target,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_ALL if self.quote_all else csv.QUOTE_MINIMAL,
            lineterminator=self.line_end,
        )
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )
        data = target.getvalue().encode(self.encoding)
        path = folder / "table.csv"
        path.write_bytes(gzip.compress(data, 1) if self.packed else data)
        return path

    def _objects(self, columns: dict[str, list[Any]]) -> bytes:
        """JSON lines, one JSON document, or XML; an empty field is left out or null."""
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if self.kind == "jsonl":
            return "\n".join(json.dumps(row) for row in rows).encode()
        if self.kind == "json":
            return json.dumps(
                {"data": rows} if self.quote_all else rows, ensure_ascii=False, indent=1
            ).encode()
        feed = ElementTree.Element("feed")
        for row in rows:
            entry = ElementTree.SubElement(feed, "item")
            for name, value in row.items():
                ElementTree.SubElement(entry, name).text = None if value is None else str(value)
        return bytes(ElementTree.tostring(feed, encoding="utf-8"))


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Any form that the platform reads."""
    kind = draw(st.sampled_from(["csv", "csv", "csv", "parquet", "parquet", "jsonl", "json", "xml"]))
    if kind != "csv":
        return Form(kind, "xml" if kind == "xml" else "unicode", quote_all=draw(st.booleans()))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "ascii"]))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # Python's writer leaves a line feed bare where lines end otherwise.
    quote_all = line_end == "\r" or draw(st.booleans())
    letters = encoding if encoding in LETTERS else "unicode"
    delimiter = draw(st.sampled_from(",;\t|"))
    return Form("csv", letters, encoding, delimiter, quote_all, line_end, draw(st.booleans()))


def tidy(text: str | None) -> str | None:
    """What is left of a text: single spaces, and nothing where nothing is said."""
    found = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text or "").split())
    return None if not found or found in NULL_WORDS else found


def texts(form: Form) -> st.SearchStrategy[str | None]:
    """Texts with every character that could mislead a reader, and words for nothing."""
    drawn = st.text(LETTERS[form.letters], max_size=12)
    return st.one_of(
        drawn, drawn, st.none(), st.sampled_from(NULL_WORDS), st.just('9\\" x'), st.just("A\n1,2")
    )


@dataclass(frozen=True)
class Ids:
    """A column of ids: what is written, what is meant, and its type in Parquet."""

    written: list[Any]
    meant: list[str | None]
    type: pa.DataType


@st.composite
def ids(draw: st.DrawFn, form: Form, size: int) -> Ids:
    """Texts, whole numbers, or whole numbers that became fractions."""
    kind = draw(st.sampled_from(["text", "whole", "fraction"]))
    if kind == "text":
        written = draw(
            st.lists(texts(form).map(lambda text: text and f"x{text}"), min_size=size, max_size=size)
        )
        kinds = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
        return Ids(written, [tidy(text) for text in written], draw(st.sampled_from(kinds)))
    numbers = draw(st.lists(st.none() | st.integers(1, 2**50), min_size=size, max_size=size))
    meant = [None if number is None else str(number) for number in numbers]
    if kind == "whole":
        return Ids(list(numbers), meant, draw(st.sampled_from([pa.int64(), pa.uint64()])))
    floats = [None if number is None else float(number) for number in numbers]
    return Ids(floats, meant, pa.float64())


def number_text(draw: st.DrawFn, value: float, comma: bool, currency: bool) -> str:
    """A number as people write it, with groups or without."""
    whole, _, rest = f"{value:.2f}".partition(".")
    mark, point = (".", ",") if comma else (",", ".")
    grouped = draw(st.sampled_from(["", mark, " "]))
    text = f"{int(whole):,}".replace(",", grouped) + draw(
        st.sampled_from([f"{point}{rest}"] * 3 + ["+"])
    ).replace("+", "" if rest == "00" else f"{point}{rest}")
    return draw(
        st.sampled_from(["{}", "€ {}", "{} €", "USD {}", "₹{}", " {} "] if currency else ["{}"])
    ).format(text)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: what is written, what is meant, and its type in Parquet."""

    written: list[Any]
    meant: list[float | None]
    type: pa.DataType


@st.composite
def amounts(draw: st.DrawFn, form: Form, size: int, *, comma: bool) -> Numbers:
    """Prices as numbers, or as texts in one way of writing them."""
    cents = draw(st.lists(st.none() | st.integers(1, 10**9), min_size=size, max_size=size))
    meant = [None if cent is None else cent / 100 for cent in cents]
    if form.kind == "parquet" and draw(st.booleans()):
        return Numbers(list(meant), meant, pa.float64())
    currency = form.encoding not in {"ascii", "cp1252"}
    written = [None if value is None else number_text(draw, value, comma, currency) for value in meant]
    return Numbers(written, meant, pa.string())


MOMENTS = st.datetimes(datetime(1996, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
TIME_TEXTS: list[Callable[[datetime], str]] = [
    lambda moment: moment.isoformat().replace("+00:00", "Z"),
    lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
    lambda moment: moment.astimezone(timezone(timedelta(hours=-5))).isoformat(" "),
    lambda moment: str(int(moment.timestamp() * 1000 + 0.5)),
    lambda moment: str(int(moment.timestamp() * 1000 + 0.5) * 1000),
    lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S,%fZ"),
]
DAY_FIRST: list[Callable[[datetime], str]] = [
    lambda moment: moment.strftime("%d/%m/%Y %H:%M:%S.%f"),
    lambda moment: f"{moment.day}.{moment.month}.{moment.year} {moment:%H:%M:%S.%f}",
]
MONTH_FIRST: list[Callable[[datetime], str]] = [
    lambda moment: f"{moment.month}/{moment.day}/{moment.year} {moment:%H:%M:%S.%f} UTC",
]
TIME_TYPES = [
    pa.timestamp("ms"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns", "Europe/Berlin"),
    pa.string(),
    pa.int64(),
    pa.date32(),
]


@dataclass(frozen=True)
class Times:
    """A column of times: what is written, what is meant, and its type in Parquet."""

    written: list[Any]
    meant: list[datetime]
    type: pa.DataType


@st.composite
def times(draw: st.DrawFn, form: Form, size: int) -> Times:
    """Moments in all forms; a date is its midnight in UTC."""
    moments = draw(st.lists(MOMENTS, min_size=size, max_size=size))
    kind = draw(st.sampled_from(TIME_TYPES)) if form.kind == "parquet" else pa.string()
    if pa.types.is_date(kind):
        days = [moment.date() for moment in moments]
        return Times(days, [midnight(day) for day in days], kind)
    if pa.types.is_int64(kind):
        return Times([int(TIME_TEXTS[3](moment)) for moment in moments], moments, kind)
    if pa.types.is_timestamp(kind):
        written = [moment if kind.tz else moment.replace(tzinfo=None) for moment in moments]
        return Times(written, moments, kind)
    forms = TIME_TEXTS
    if any(moment.day > 12 for moment in moments):  # the column tells
        forms = forms + draw(st.sampled_from([DAY_FIRST, MONTH_FIRST]))
    texts = [draw(st.sampled_from(forms))(moment) for moment in moments]
    settled = next((at for at, moment in enumerate(moments) if moment.day > 12), None)
    if settled is not None:
        texts[settled] = forms[len(TIME_TEXTS)](moments[settled])
    return Times(texts, moments, kind)


def midnight(day: date) -> datetime:
    """The beginning of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True)
class Table:
    """A table in a form, and the rows that it means, by line; one that can't be used is None."""

    form: Form
    columns: dict[str, list[Any]]
    types: dict[str, pa.DataType]
    meant: list[dict[str, Any] | None]
    options: Options

    def write(self, folder: Path) -> Path:
        """Write it into the folder."""
        return self.form.write(folder, self.columns, self.types)


@st.composite
def catalogues(draw: st.DrawFn) -> Table:
    """Tables of items."""
    form, comma = draw(forms()), draw(st.booleans())
    size = draw(st.integers(1, 10))
    names = draw(ids(form, size))
    price = draw(amounts(form, size, comma=comma))
    words = {
        name: draw(st.lists(texts(form), min_size=size, max_size=size)) for name in ("title", "description")
    }
    kinds = {"item_id": names.type, "price": price.type} | dict.fromkeys(words, pa.string())
    titled = list(zip(names.meant, (tidy(title) for title in words["title"]), strict=True))
    known = [
        any(name == other and title for other, title in titled[: row + 1])
        for row, (name, _) in enumerate(titled)
    ]
    meant: list[dict[str, Any] | None] = [
        None
        if name is None or not has_title
        else {"item_id": name, "title": tidy(title), "description": tidy(description), "price": value}
        for name, has_title, title, description, value in zip(
            names.meant, known, words["title"], words["description"], price.meant, strict=True
        )
    ]
    columns = {"item_id": names.written, **words, "price": price.written}
    return Table(form, columns, kinds, meant, Options(decimal_comma=comma))


@st.composite
def logs(draw: st.DrawFn) -> Table:
    """Tables of interactions."""
    form, comma = draw(forms()), draw(st.booleans())
    size = draw(st.integers(1, 10))
    users, items, sessions = (draw(ids(form, size)) for _ in range(3))
    quantity, when = draw(amounts(form, size, comma=comma)), draw(times(form, size))
    kind = draw(
        st.lists(st.sampled_from(["purchase", "View_Time", "click", "stare"]), min_size=size, max_size=size)
    )
    form_of_values = [
        value if not isinstance(value, str) else re.sub(r"[^\d.,]", "", value) for value in quantity.written
    ]
    columns = {
        "user_id": users.written,
        "item_id": items.written,
        "event_type": kind,
        "timestamp": when.written,
        "value": form_of_values,
        "session_id": sessions.written,
    }
    kinds = {"user_id": users.type, "item_id": items.type, "session_id": sessions.type}
    kinds |= {"timestamp": when.type, "value": quantity.type, "event_type": pa.string()}
    meant: list[dict[str, Any] | None] = [
        None
        if (user is None and session is None) or item is None or event == "stare"
        else {
            "user_id": user,
            "item_id": item,
            "event_type": event.lower(),
            "occurred_at": moment,
            "value": value,
            "session_id": session,
        }
        for user, item, event, moment, value, session in zip(
            users.meant, items.meant, kind, when.meant, quantity.meant, sessions.meant, strict=True
        )
    ]
    return Table(form, columns, kinds, meant, Options(decimal_comma=comma))


def same(found: Any, meant: Any) -> bool:
    """Whether a cell holds what was meant."""
    if meant is None or found is None or pd.isna(found):
        return (found is None or bool(pd.isna(found))) and meant is None
    return bool(found == pytest.approx(meant)) if isinstance(meant, float) else bool(found == meant)


def check(adapter: str, table: Table) -> None:
    """Every row is loaded as it was written, or refused with what stood in it."""
    with tempfile.TemporaryDirectory() as folder:
        made = read_file(adapter, table.write(Path(folder)), table.options)
    rows = list((made.items if adapter == "items" else made.interactions).to_dict("records"))
    meant = [row for row in table.meant if row is not None]
    assert made.rows == len(table.meant)
    assert len(rows) == len(meant)
    for found, row in zip(rows, meant, strict=True):
        assert all(same(found[name], value) for name, value in row.items()), (found, row)
    text = "title" if adapter == "items" else "event_type"
    refused = [row for row, means in enumerate(table.meant) if means is None]
    raws = [next(csv.reader(io.StringIO(raw, newline=""))) for raw in made.rejected.get("raw", [])]
    assert [dict(zip(table.columns, raw, strict=True))[text] for raw in raws] == [
        table.columns[text][row] or "" for row in refused
    ]


@pytest.mark.slow
@settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(catalogues())
def test_items_are_what_was_written(table: Table) -> None:
    check("items", table)


@pytest.mark.slow
@settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(logs())
def test_interactions_are_what_was_written(table: Table) -> None:
    check("interactions", table)


LONG_FORMS = [
    *(
        Form(
            "csv",
            encoding if encoding in LETTERS else "unicode",
            encoding,
            delimiter,
            line_end == "\r",
            line_end,
        )
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252")
        for delimiter, line_end in ((",", "\n"), (";", "\r\n"), ("\t", "\r"), ("|", "\n"))
    ),
    *(Form(kind, "unicode", quote_all=wrapped) for kind in ("jsonl", "json") for wrapped in (False, True)),
    Form("xml", "xml"),
    Form("parquet", "unicode"),
    Form("csv", "unicode", packed=True),
    Form("csv", "unicode", quote_all=True),
]
LONG_ROWS = 500


def long_log(random: Random, form: Form) -> Table:
    """A log of LONG_ROWS rows: texts with every character that could mislead, amounts, times in all forms."""
    comma = random.random() < 0.5

    def column(make: Callable[[], Any], empty: float) -> list[Any]:
        return [None if random.random() < empty else make() for _ in range(LONG_ROWS)]

    def text() -> str:
        return "x" + "".join(random.choices(LETTERS[form.letters], k=random.randrange(12)))

    def amount() -> str:
        whole, _, rest = f"{random.randrange(1, 10**9) / 100:.2f}".partition(".")
        mark, point = (".", ",") if comma else (",", ".")
        grouped = f"{int(whole):,}".replace(",", random.choice(["", mark]))
        return f"{grouped}{point}{rest}"

    def moment() -> datetime:
        return datetime(1996, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=random.randrange(29 * 365 * 86_400_000)
        )

    users, sessions = column(text, 0.1), column(lambda: random.randrange(1, 2**50), 0.1)
    items, kinds = (
        column(text, 0.05),
        column(lambda: random.choice(["purchase", "View_Time", "click", "stare"]), 0),
    )
    values, moments = column(amount, 0.2), column(moment, 0)
    columns = {
        "user_id": users,
        "item_id": items,
        "event_type": kinds,
        "timestamp": [random.choice(TIME_TEXTS)(each) for each in moments],
        "value": values,
        "session_id": sessions,
    }
    meant: list[dict[str, Any] | None] = [
        None
        if (user is None and session is None) or item is None or kind == "stare"
        else {
            "user_id": tidy(user),
            "item_id": tidy(item),
            "event_type": kind.lower(),
            "occurred_at": when,
            "value": None if value is None else float(re.sub(r"\D", "", value)) / 100,
            "session_id": None if session is None else str(session),
        }
        for user, session, item, kind, value, when in zip(
            users, sessions, items, kinds, values, moments, strict=True
        )
    ]
    return Table(form, columns, {}, meant, Options(decimal_comma=comma))


@pytest.mark.parametrize("place", range(len(LONG_FORMS)))
def test_each_row_of_a_long_log_is_what_was_written(place: int) -> None:
    check("interactions", long_log(Random(place), LONG_FORMS[place]))


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(logs())
def test_the_database_holds_what_was_written(connection: Connection, query: Query, table: Table) -> None:
    query("truncate interactions, items, users, rejected_rows, ingest_runs")
    with tempfile.TemporaryDirectory() as folder:
        path = table.write(Path(folder))
        reports = [
            ingest_file(connection, ADAPTERS["interactions"], path, options=table.options) for _ in range(2)
        ]
    for report in reports:
        assert report.rows_read == report.rows_loaded + report.rows_duplicate + report.rows_rejected
    meant = [row for row in table.meant if row is not None]
    assert [report.rows_loaded for report in reports] == [len(meant), 0]
    names = ("user_id", "item_id", "event_type", "occurred_at", "value", "session_id")
    stored = query(f"select {', '.join(names)} from interactions")
    value = names.index("value")
    assert Counter(rounded(row, value) for row in stored) == Counter(
        rounded(tuple(row[name] for name in names), value) for row in meant
    )
    refused = query("select raw from rejected_rows")
    assert len(refused) == table.meant.count(None)


def rounded(row: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    """The row with the number in that place as the column's type holds it."""
    value = None if row[place] is None else float(f"{row[place]:.5g}")
    return (*row[:place], value, *row[place + 1 :])
