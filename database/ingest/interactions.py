"""Interactions of any shop: tables of texts or Parquet with the columns below, or usual names for them.

A user (or, for a guest, a session), an item and a time are needed, and what happened: `event_type`, a word of
the platform's or one that counts as it; without that column, what `--event-type` says, or ratings where there
is a column of them. `value`, `query` and `session_id` may be there; `quantity` is the value of purchases and
`rating` that of ratings where there is no `value`. A rating is 1 to 5, feedback -1, 0 or 1; a purchase's
quantity and a view's seconds are not negative.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from database.event_types import EVENT_TYPES
from database.event_words import DEFAULTS, EventWords
from database.ingest.chunk import DEFAULT, Adapter, Chunk, Options, ValueMeaning
from database.ingest.column_names import nearest, plain_name, resolve
from database.ingest.conventions import FIVE_STARS, Columns, Conventions, in_words, rescaled
from database.ingest.fields import EARLIEST, clean, joined, moments, named, numbers, possible, shifted, whole
from database.ingest.log_values import ValuesSeen, WordsSeen, split_value
from database.ingest.named_columns import Lines, Plan, columns, missing, open_rows, refuse_unknown, refused
from database.ingest.objects import OUTER

_NEEDED = ("user_id", "item_id", "event_type", "timestamp")
_VALUES = ("value", "quantity", "stars")
_TEXTS = ("user_id", "device_id", "item_id", "event_type", "event_subtype", "query", "session_id")
_WANTED = (*_NEEDED, "event_subtype", "device_id", *_VALUES, "query", "session_id", "clock")
_KEY = ("user_id", "item_id", "event_word", "value", "query", "session_id", "occurred_at")
_LARGEST_VALUE = 1e38  # more does not fit the column
_TOLD = Columns(
    read=frozenset(_WANTED),
    texts=frozenset((*_TEXTS, "clock")),
    ids=("user_id", "device_id", "item_id", "session_id"),
    amounts=_VALUES,
    ratings="value",
    stars=FIVE_STARS,
    rating_of="event_type",
    times=("timestamp",),
)
_LONGEST = {"user_id": 128, "item_id": 64, "query": 1000, "session_id": 128}
_LATE, _EARLY, _ZERO = "timestamp is in the future", "timestamp is before 1995", "timestamp is 0: not known"
_ABOUT = {
    "unknown event type": "event_type",
    "no readable timestamp": "timestamp",
    _LATE: "timestamp",
    _EARLY: "timestamp",
    "feedback is not -1, 0 or 1": "value",
    "value is negative": "value",
    "value is out of range": "value",
}
_NUMBERED = {"customerid", "customeruser"}  # WooCommerce's, by its API and in exports of orders
_NUMBERED_GUEST = "customer 0 of an order: a guest"
_LINES = ("lineitemname", "lineitemsku")
"""Columns of Shopify's orders, whose number is their `Name`."""
_SUBDIVIDED = "conversion"
"""Algolia's word for a cart or a purchase: the subtype says which."""
_AROUND_ID = f"{OUTER}id"
"""Of an order or a visit around its lines, where the user has a field of their own."""
_GUEST = "no user: kept as an anonymous event of its session"


@dataclass(frozen=True)
class _Reading:
    """What the file and the options say of all rows."""

    plan: Plan
    event_type: str | None
    words: EventWords
    weeks: int
    keyed: frozenset[str]
    """The optional columns that the keys of its events are made of."""
    guests: bool
    """Whether the user 0 is nobody: in the orders of a shop system whose customers are numbered."""
    buyers: dict[str, str] | None
    """Who each order is of, where its first line alone says so, as in Shopify's; None in other files."""
    meaning: ValueMeaning | None
    values: ValuesSeen = field(default_factory=ValuesSeen)
    events: WordsSeen = field(default_factory=WordsSeen)


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the file has the needed columns."""
    _reading(path, columns(path, options), options, 0)


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of interactions."""
    rows = open_rows(path, options)
    reading = _reading(path, rows.names, options, weeks)

    def to_chunk(frame: pd.DataFrame, lines: Lines, progress: float, how: Conventions) -> Chunk:
        return _chunk(frame, lines, progress, reading, how)

    yield from rows.chunks(reading.plan, to_chunk)
    if options.value is None:
        yield Chunk(0, 1.0, notes=reading.values.notes(), questions=reading.values.questions())
    yield Chunk(0, 1.0, notes=reading.events.notes())


def _reading(path: Path, names: list[str], options: Options, weeks: int) -> _Reading:
    refuse_unknown(path, names, _WANTED, options)
    stated = options.event_type
    columns_of = dict(options.columns)
    plain = {plain_name(name): name for name in names}
    if {"date", "time"} <= plain.keys() and "timestamp" not in {*names, *columns_of}:
        columns_of |= {"timestamp": plain["date"], "clock": plain["time"]}
    by_order = "name" in plain and not plain.keys().isdisjoint(_LINES)
    if by_order and "session_id" not in {*names, *columns_of}:
        columns_of |= {"session_id": plain["name"]}
    wanted = list(_WANTED)
    if stated is not None and "event_type" not in {*names, *columns_of}:
        wanted.remove("event_type")
    naming = resolve(names, wanted, columns_of)
    if "session_id" not in naming.ours and "user_id" in naming.ours and _AROUND_ID in names:
        columns_of |= {"session_id": _AROUND_ID}
        naming = resolve(names, wanted, columns_of)
    there = set(naming.ours)
    if stated is None and "event_type" not in there and "stars" in there:
        stated = "rating"
    lacking = [name for name in _NEEDED if name not in there]
    rest = [name for name, our in zip(names, naming.ours, strict=True) if our not in _WANTED]
    if "session_id" in there and "user_id" in lacking and nearest("user_id", rest) is None:
        lacking.remove("user_id")
    if stated is not None and "event_type" in lacking:
        lacking.remove("event_type")
    if lacking:
        raise missing(path, names, lacking, options, naming=naming, of=len(_NEEDED), kind="interactions")
    words = EventWords([*DEFAULTS, *options.all_words()])
    notes = (f"all rows are read as {stated}",) if stated is not None and "event_type" not in there else ()
    rated = frozenset(name for name, each in words.types.items() if each.counts_as == "rating")
    told = replace(_TOLD, rating_words=rated)
    if "value" not in there and "stars" in there:
        told = replace(told, ratings="stars", rating_of="event_type" if "event_type" in there else None)
    elif "event_type" not in there and stated == "rating":
        told = replace(told, rating_of=None)
    # A log with our names has the keys that it always had, whatever other columns are read by now.
    ours = {name for name in ("value", "query", "session_id") if name in names}
    keyed = frozenset(ours if set(_NEEDED) <= set(names) else ("value", "query", "session_id"))
    theirs = dict(zip(naming.ours, names, strict=True))
    guests = plain_name(theirs.get("user_id", "")) in _NUMBERED and "session_id" in there
    buyers = dict[str, str]() if by_order else None
    return _Reading(Plan(naming, told, notes), stated, words, weeks, keyed, guests, buyers, options.value)


def _chunk(frame: pd.DataFrame, lines: Lines, progress: float, reading: _Reading, how: Conventions) -> Chunk:
    nulled: Counter[str] = Counter()
    table = _prepared(frame, nulled, reading, how)
    reason = _reasons(table, how)
    guests = int((reason.isna() & table["user_id"].isna()).sum())
    if guests:
        nulled[_GUEST] += guests
    table["value"] = table["stars"].where(table["event_type"] == "rating", table["value"])
    table.insert(0, "line", lines)
    kept = table[reason.isna()]
    return Chunk(
        len(frame),
        progress,
        interactions=kept.assign(occurred_at=shifted(kept["occurred_at"], reading.weeks)),
        rejected=refused(frame, lines, reason, {**_ABOUT, in_words(how.scale): reading.plan.columns.ratings}),
        nulled=nulled,
    )


def _prepared(frame: pd.DataFrame, nulled: Counter[str], reading: _Reading, how: Conventions) -> pd.DataFrame:
    def text(name: str) -> pd.Series:
        if name not in frame:
            return pd.Series(None, index=frame.index, dtype="str")
        if name not in _TOLD.ids:
            return clean(frame[name])
        found = named(frame[name], name, nulled, keep_null_words=how.keep_null_words)
        return whole(found) if name in how.whole else found

    def number(name: str) -> pd.Series:
        if name not in frame:
            return pd.Series(float("nan"), index=frame.index)
        return numbers(frame[name], name, nulled, comma=name in how.comma)

    table = pd.DataFrame({name: text(name) for name in _TEXTS})
    if reading.guests:
        nobody = table["user_id"] == "0"
        table["user_id"] = table["user_id"].mask(nobody)
        if nobody.any():
            nulled[_NUMBERED_GUEST] += int(nobody.sum())
    if reading.buyers is not None:
        first = table.dropna(subset=["user_id", "session_id"]).drop_duplicates("session_id")
        reading.buyers.update(zip(first["session_id"], first["user_id"], strict=True))
        of_order = table["session_id"].map(reading.buyers.get, na_action="ignore")
        table["user_id"] = table["user_id"].fillna(of_order.astype("str"))
    words = table["event_type"].str.lower()
    kind = table.pop("event_subtype").str.lower()
    words = words.mask((words == _SUBDIVIDED) & kind.notna(), kind)
    if "event_type" not in frame and reading.event_type is not None:
        words = pd.Series(reading.event_type, index=frame.index, dtype="str")
    if "device_id" in frame:
        table["user_id"] = table["user_id"].fillna(table["device_id"])
    value, stars, quantity = (number(name) for name in ("value", "stars", "quantity"))
    table["event_word"] = words
    table["event_type"], table["weight"] = _meanings(words, value.fillna(stars), reading.words)
    stated = value
    reading.values.look(value, table["event_type"])
    value, price = split_value(value, table["event_type"], reading.meaning)
    value = value.mask((table["event_type"] == "purchase") & quantity.notna(), quantity)
    value = value.fillna(stars.where(table["event_type"] == "rating"))
    if price is not None:
        table["price"] = price
    table["event_name"] = words.where(words != table["event_type"])
    reading.events.look(table)
    table["value"] = value
    table["stars"] = rescaled(value, how.scale, FIVE_STARS)
    table["occurred_at"] = moments(_with_clock(frame), how.day_first, short_years=how.short_years)
    keys = table.assign(value=stated if "value" in frame else value)
    for name in {"value", "query", "session_id"} - reading.keyed:
        keys[name] = pd.Series(None, index=frame.index, dtype="str")
    table["natural_key"] = "interactions|" + joined(*(keys[name] for name in _KEY))
    return table


def _with_clock(frame: pd.DataFrame) -> pd.Series:
    """The times; where date and time of day are two columns, both together."""
    if "clock" not in frame:
        return frame["timestamp"]
    day, clock = clean(frame["timestamp"]), clean(frame["clock"])
    return (day + " " + clock).where(clock.str.match(r"\d{1,2}:\d{2}").fillna(False), clock.fillna(day))


def _meanings(words: pd.Series, value: pd.Series, known: EventWords) -> tuple[pd.Series, pd.Series]:
    """What each event counts as, and the weight of its word's own; null where nobody knows the word."""
    codes, distinct = pd.factorize(words)  # -1 is a missing word, and Python's last of a list
    names = [known.name_of(word) for word in distinct]
    plain = [*(known.meaning(name, None) for name in names), None]
    types = pd.Series([meaning and meaning.event_type for meaning in plain], dtype="str").array
    own = np.array(
        [np.nan if meaning is None or meaning.weight is None else meaning.weight for meaning in plain]
    )
    kinds, weights = pd.Series(types[codes], index=words.index), pd.Series(own[codes], index=words.index)
    for code in (code for code, name in enumerate(names) if name in known.conditional):
        for number, part in value[codes == code].groupby(value, dropna=False):
            meaning = known.meaning(names[code], None if pd.isna(number) else number)
            if meaning is not None:
                kinds[part.index], weights[part.index] = meaning.event_type, meaning.weight
    return kinds, weights


def _reasons(table: pd.DataFrame, how: Conventions) -> pd.Series:
    """Why each row is refused; null for those that are kept. Of several reasons the last one here is told."""
    kind, value, moment = table["event_type"], table["value"], table["occurred_at"]
    search = kind == "search_query"
    unlikely = moment.notna() & ~possible(moment)
    refusals = [
        *((table[name].str.len() > most, f"{name} is longer than {most}") for name, most in _LONGEST.items()),
        (value.abs() > _LARGEST_VALUE, "value is out of range"),
        (kind.isin(("purchase", "view_time")) & (value < 0), "value is negative"),
        ((kind == "feedback") & ~value.isin((-1, 0, 1)), "feedback is not -1, 0 or 1"),
        ((kind == "rating") & table["stars"].isna(), in_words(how.scale)),
        (unlikely, _LATE),
        (unlikely & (moment < EARLIEST), _EARLY),
        (unlikely & (moment == pd.Timestamp(0, tz="UTC")), _ZERO),
        (moment.isna(), "no readable timestamp"),
        (~search & table["item_id"].isna(), "no item id"),
        (search & table["query"].isna(), "a search without a query"),
        (~kind.isin(EVENT_TYPES), "unknown event type"),
        (table["user_id"].isna() & table["session_id"].isna(), "no user id"),
    ]
    reason = pd.Series(None, index=table.index, dtype="str")
    for refused_rows, text in refusals:
        if refused_rows.any():
            reason = reason.mask(refused_rows, text)
    return reason


ADAPTER = Adapter("interactions", "interactions", "interactions", check, read, repeats=True)
