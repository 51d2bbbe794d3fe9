"""Generated tables in every form that the platform reads, and the rows that they mean.

All is drawn from one `Random`: a seed gives the same table each time, and hypothesis may be who draws.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from itertools import compress
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from database.ingest import Options
from database.ingest.chunk import TAG_SEPARATOR
from database.ingest.fields import NULL_WORDS
from tests.database.ingest.reading import write_book

ASCII = "ab Z019,;\t|\"'\\\n.-#%"
LETTERS = {
    "ascii": ASCII,
    "cp1252": ASCII + "äöüßéèê",
    "xml": ASCII.replace("\n", "") + "äé€日本\U0001f600",
    "unicode": ASCII + "äé€\u00a0\u2028łя日本\U0001f600\u0301",
}
_BARE = ["one", "deux tours", "3 x", "R2-D2", "a.b", "0"]  # what tags are made of
_JSON = ("jsonl", "json")
TEXT = pa.string()


def _zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("inner.csv", data)
    return target.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "gz": lambda data: gzip.compress(data, 1),
    "zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zip": _zipped,
}


@dataclass(frozen=True)
class Form:
    """How a table is written. `letters` are those of its texts."""

    kind: str
    letters: str
    encoding: str = "utf-8"
    delimiter: str = ","
    quote_all: bool = False
    line_end: str = "\n"
    packed: str = ""

    def write(self, folder: Path, columns: dict[str, list[Any]], types: dict[str, pa.DataType]) -> Path:
        """Write the columns: as texts, or in Parquet with types, text where none is given."""
        path = folder / f"table.{self.kind}"
        if self.kind == "parquet":
            arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
            pq.write_table(pa.table(arrays), path, compression="NONE")
        elif self.kind == "xlsx":
            rows = zip(*columns.values(), strict=True)
            cells = [["" if value is None else value for value in row] for row in rows]
            write_book(path, {"Sheet": [list(columns), *cells]})
        else:
            data = self._csv(columns) if self.kind == "csv" else self._objects(columns)
            path.write_bytes(PACKINGS[self.packed](data))
        return path

    def _csv(self, columns: dict[str, list[Any]]) -> bytes:
        target = io.StringIO(newline="")
        mark = "\x1f" if len(self.delimiter) > 1 else self.delimiter
        writer = csv.writer(
            target,
            delimiter=mark,
            quoting=csv.QUOTE_ALL if self.quote_all else csv.QUOTE_MINIMAL,
            lineterminator=self.line_end,
        )
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )
        return target.getvalue().replace(mark, self.delimiter).encode(self.encoding)

    def _objects(self, columns: dict[str, list[Any]]) -> bytes:
        """JSON lines, one JSON document, or XML; an empty field is left out or null."""
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if self.kind == "jsonl":
            return "\n".join(json.dumps(row) for row in rows).encode()
        if self.kind == "json":
            document = {"data": rows} if self.quote_all else rows
            return json.dumps(document, ensure_ascii=False, indent=1).encode()
        feed = ElementTree.Element("feed")
        for row in rows:
            entry = ElementTree.SubElement(feed, "item")
            for name, value in row.items():
                ElementTree.SubElement(entry, name).text = None if value is None else str(value)
        return bytes(ElementTree.tostring(feed, encoding="utf-8"))


@dataclass(frozen=True)
class Table:
    """A table in a form, and the rows that it means, by line; one that can't be used is None.

    `names` are the file's names of our columns.
    """

    form: Form
    columns: dict[str, list[Any]]
    types: dict[str, pa.DataType]
    meant: list[dict[str, Any] | None]
    options: Options
    names: dict[str, str]

    def write(self, folder: Path) -> Path:
        """Write it into the folder."""
        renamed = {self.names.get(name, name): values for name, values in self.columns.items()}
        types = {self.names.get(name, name): kind for name, kind in self.types.items()}
        return self.form.write(folder, renamed, types)


def any_form(random: Random) -> Form:
    """Any form that the platform reads."""
    kind = random.choice(["csv"] * 4 + ["parquet"] * 3 + ["jsonl", "json", "xml", "xlsx"])
    if kind != "csv":
        letters = "xml" if kind in ("xml", "xlsx") else "unicode"
        packed = random.choice(["", "", *PACKINGS]) if kind in ("xml", *_JSON) else ""
        return Form(kind, letters, quote_all=random.random() < 0.5, packed=packed)
    encoding = random.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252", "ascii"])
    line_end = random.choice(["\n", "\r\n", "\r"])
    # Python's writer leaves a line feed bare where lines end otherwise.
    quote_all = line_end == "\r" or random.random() < 0.5
    letters = encoding if encoding in LETTERS else "unicode"
    delimiter = random.choice([",", ";", "\t", "|", "::"])
    return Form("csv", letters, encoding, delimiter, quote_all, line_end, random.choice(["", *PACKINGS]))


def tidy(text: str | None) -> str | None:
    """What is left of a text: single spaces, and nothing where nothing is said."""
    found = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text or "").split())
    return None if not found or found in NULL_WORDS else found


@dataclass(frozen=True)
class Column:
    """What is written, what is meant by it, and its type in Parquet."""

    written: list[Any]
    meant: list[Any]
    type: pa.DataType = TEXT


@dataclass(frozen=True)
class Draw:
    """One table's draws: where from, its form, how many rows, and a number that no other table has."""

    random: Random
    form: Form
    size: int
    number: int

    def letters(self, longest: int = 12) -> str:
        """A text with every character that could mislead a reader."""
        return "".join(self.random.choices(LETTERS[self.form.letters], k=self.random.randrange(longest)))

    def each(self, make: Callable[[], Any], empty: float = 0.1) -> list[Any]:
        """A value for each row; None in that share of them."""
        return [None if self.random.random() < empty else make() for _ in range(self.size)]

    def texts(self, *, marked: bool = False) -> Column:
        """Texts, words for nothing, and, where `marked`, markup that is to be read."""

        def make() -> tuple[str, str | None]:
            draw = self.random.random()
            if draw < 0.1:
                word = self.random.choice(NULL_WORDS)
                return word, tidy(word)
            if draw < 0.2:
                text = self.random.choice(['9\\" x', "A\n1,2" if self.form.letters != "xml" else "A 1,2"])
                return text, tidy(text)
            text = self.letters()
            if marked and draw < 0.3:
                return f"R&#039;s <b>{text}</b> &amp; co", tidy(f"R's {text} & co")
            return text, tidy(text)

        pairs = self.each(make)
        return Column(
            [None if pair is None else pair[0] for pair in pairs],
            [None if pair is None else pair[1] for pair in pairs],
        )

    def ids(self) -> Column:
        """Texts, whole numbers, or whole numbers that became fractions; some rows share one."""
        kind = self.random.choice(["text", "text", "whole", "fraction"])
        if kind == "text":
            few = [f"x{self.number:06d}{self.letters()}" for _ in range(self.size)]
            written = self.each(
                lambda: self.random.choice(few if self.random.random() < 0.95 else NULL_WORDS)
            )
            kinds = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
            return Column(written, [tidy(text) for text in written], self.random.choice(kinds))
        start = 100 * self.number + (
            0 if self.random.random() < 0.7 else 10**14 * self.random.randrange(1, 9)
        )
        numbers = self.each(lambda: start + self.random.randrange(1, 2 * self.size))
        meant = [None if number is None else str(number) for number in numbers]
        if kind == "whole":
            return Column(numbers, meant, self.random.choice([pa.int64(), pa.uint64()]))
        return Column([None if number is None else float(number) for number in numbers], meant, pa.float64())

    def amounts(self, *, comma: bool, currency: bool) -> Column:
        """Numbers, or texts in one way of writing them; a JSON file may have both side by side."""
        longest = self.random.choice([10**4, 10**9])
        meant = self.each(lambda: self.random.randrange(1, longest) / 100)
        if self.form.kind == "parquet" and self.random.random() < 0.6:
            if self.random.random() < 0.5:
                return Column(meant, meant, pa.float64())
            exact = [None if value is None else Decimal(f"{value:.2f}") for value in meant]
            return Column(exact, meant, pa.decimal128(12, 2))
        units = ["{}", "USD {}", " {} "]
        if self.form.encoding not in {"ascii", "cp1252"}:
            units += ["€ {}", "{} €", "₹{}"]
        numbers = self.form.kind in _JSON and self.random.random() < 0.5

        def write(value: float | None) -> Any:
            if value is None or (numbers and self.random.random() < 0.5):
                return value
            text = self._number_text(value, comma)
            return self.random.choice(units).format(text) if currency else text

        return Column([write(value) for value in meant], meant)

    def _number_text(self, value: float, comma: bool) -> str:
        """A number as people write it, with groups or without."""
        whole, _, rest = f"{value:.2f}".partition(".")
        mark, point = (".", ",") if comma else (",", ".")
        grouped = f"{int(whole):,}".replace(",", self.random.choice(["", mark, " "]))
        return grouped if rest == "00" and self.random.random() < 0.5 else f"{grouped}{point}{rest}"

    def times(self) -> Column:
        """Moments in all forms; a date is its midnight in UTC."""
        first = datetime(1996, 1, 1, tzinfo=UTC)
        moments = [
            first + timedelta(milliseconds=self.random.randrange(29 * 365 * 86_400_000))
            for _ in range(self.size)
        ]
        kind = self.random.choice(TIME_TYPES) if self.form.kind == "parquet" else pa.string()
        if pa.types.is_date(kind):
            return Column([moment.date() for moment in moments], [*map(midnight, moments)], kind)
        if pa.types.is_int64(kind):
            return Column([_milliseconds(moment) for moment in moments], moments, kind)
        if pa.types.is_timestamp(kind):
            if kind.unit == "s":
                moments = [moment.replace(microsecond=0) for moment in moments]
            written = [moment if kind.tz else moment.replace(tzinfo=None) for moment in moments]
            return Column(written, moments, kind)
        return self._time_texts(moments)

    def _time_texts(self, moments: list[datetime]) -> Column:
        """In any words, beside them day first or month first where a row of the column settles which."""
        settling = next((row for row, moment in enumerate(moments) if moment.day > 12), None)
        slashed = self.random.choice([None, DAY_FIRST, MONTH_FIRST]) if settling is not None else None
        forms = TIME_TEXTS if slashed is None else [*TIME_TEXTS, slashed, slashed, slashed]
        written, meant = [], []
        for row, moment in enumerate(moments):
            write, keep = slashed if slashed and row == settling else self.random.choice(forms)
            written.append(write(moment))
            meant.append(keep(moment))
        return Column(written, meant)

    def tags(self) -> Column:
        """Lists in Parquet, or texts with a bar or a comma between them, the same in all rows."""
        meant = self.each(lambda: self.random.sample(_BARE, self.random.randrange(1, 4)), 0.3)
        joined = [None if tags is None else TAG_SEPARATOR.join(tags) for tags in meant]
        if self.form.kind == "parquet" and self.random.random() < 0.5:
            return Column(meant, joined, pa.list_(pa.string()))
        mark = self.random.choice(["|", ", ", ","])
        return Column([None if tags is None else mark.join(tags) for tags in meant], joined)


def midnight(day: date) -> datetime:
    """The beginning of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000 + 0.5)


def _all_of(moment: datetime) -> datetime:
    return moment


def _seconds_of(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


_Written = tuple[Callable[[datetime], str], Callable[[datetime], datetime]]
TIME_TEXTS: list[_Written] = [
    (lambda moment: moment.isoformat().replace("+00:00", "Z"), _all_of),
    (lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f"), _all_of),
    (lambda moment: moment.astimezone(timezone(timedelta(hours=-5))).isoformat(" "), _all_of),
    (lambda moment: str(_milliseconds(moment)), _all_of),
    (lambda moment: str(_milliseconds(moment) * 1000), _all_of),
    (lambda moment: str(int(moment.timestamp())), _seconds_of),
    (lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), _all_of),
    (lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S,%fZ"), _all_of),
    (lambda moment: moment.strftime("%Y%m%d"), midnight),
    (lambda moment: moment.strftime("%Y%m%d%H%M%S"), _seconds_of),
    (lambda moment: format_datetime(moment.astimezone(timezone(timedelta(hours=2)))), _seconds_of),
    (lambda moment: f"{moment.day}.{moment.month}.{moment.year} {moment:%H:%M:%S.%f}", _all_of),
]
"""A time as text, and how much of it the text holds."""
DAY_FIRST: _Written = (lambda moment: moment.strftime("%d/%m/%Y %H:%M:%S.%f"), _all_of)
MONTH_FIRST: _Written = (
    lambda moment: f"{moment.month}/{moment.day}/{moment.year} {moment:%H:%M:%S.%f} UTC",
    _all_of,
)
TIME_TYPES = [
    pa.timestamp("s"),
    pa.timestamp("ms"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns", "Europe/Berlin"),
    pa.string(),
    pa.int64(),
    pa.date32(),
]

_NAMES = {
    "user_id": ("userId", "User ID", "visitorid", "user_id:token"),
    "item_id": ("itemId", "product-id", "ASIN", "item_id:token"),
    "event_type": ("Event", "event name", "behavior"),
    "timestamp": ("Event Time", "ts", "created_at"),
    "session_id": ("SessionID", "visit id"),
    "title": ("Title", "Product Name"),
    "price": ("Unit Price", "PRICE"),
    "description": ("Desc", "body"),
    "tags": ("Labels",),
}


def _names(random: Random, form: Form) -> dict[str, str]:
    """Names that a file may have for our columns; XML's elements have plain ones."""
    if form.kind == "xml" or random.random() < 0.5:
        return {}
    return {our: random.choice((our, *others)) for our, others in _NAMES.items()}


def catalogue(random: Random, number: int = 0, form: Form | None = None, size: int | None = None) -> Table:
    """A table of items. Tables of different numbers have no id in common."""
    draw = Draw(random, form or any_form(random), size or random.randint(1, 10), number)
    comma = random.random() < 0.5
    items, price, tags = draw.ids(), draw.amounts(comma=comma, currency=True), draw.tags()
    title, description = draw.texts(marked=True), draw.texts(marked=True)
    titled = set[str]()
    meant: list[dict[str, Any] | None] = []
    rows = zip(items.meant, title.meant, description.meant, price.meant, tags.meant, strict=True)
    for item, name, text, amount, labels in rows:
        titled |= {item} if item is not None and name is not None else set()
        told = {"item_id": item, "title": name, "description": text, "price": amount, "tags": labels}
        meant.append(told if item in titled else None)
    columns = {"item_id": items, "title": title, "description": description, "price": price, "tags": tags}
    return _table(draw, columns, meant, comma)


def log(random: Random, number: int = 0, form: Form | None = None, size: int | None = None) -> Table:
    """A table of interactions. Tables of different numbers have no id in common."""
    draw = Draw(random, form or any_form(random), size or random.randint(1, 10), number)
    comma = random.random() < 0.5
    words = ["purchase", "View_Time", "click", "stare"]
    columns = {
        "user_id": draw.ids(),
        "item_id": draw.ids(),
        "event_type": Column(events := draw.each(lambda: random.choice(words), 0.02), events),
        "timestamp": draw.times(),
        "value": draw.amounts(comma=comma, currency=False),
        "session_id": draw.ids(),
    }
    meant = list(_events(columns))
    return _table(draw, columns, meant, comma)


def _events(columns: dict[str, Column]) -> Iterator[dict[str, Any] | None]:
    for user, item, event, moment, value, session in zip(
        *(column.meant for column in columns.values()), strict=True
    ):
        if (user is None and session is None) or item is None or event in (None, "stare"):
            yield None
            continue
        yield {
            "user_id": user,
            "item_id": item,
            "event_type": event.lower(),
            "occurred_at": moment,
            "value": value,
            "session_id": session,
        }


def _table(draw: Draw, columns: dict[str, Column], meant: list[dict[str, Any] | None], comma: bool) -> Table:
    written = [column.written for column in columns.values()]
    # A row of a sheet that holds blanks at most is none.
    there = [
        draw.form.kind != "xlsx" or any(cell is not None and str(cell).strip() for cell in row)
        for row in zip(*written, strict=True)
    ]
    return Table(
        draw.form,
        {name: list(compress(column.written, there)) for name, column in columns.items()},
        {name: column.type for name, column in columns.items()},
        list(compress(meant, there)),
        Options(decimal_comma=comma),
        _names(draw.random, draw.form),
    )
