"""Options of the command that say how to read what a file does not tell."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, get_args

import click

from database.event_words import DEFAULTS, NOTHING, EventType, EventWords
from database.ingest.chunk import Options, ValueMeaning
from database.ingest.column_names import USUAL


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as `options`."""

    @wraps(command)
    def with_options(
        *,
        encoding: str | None,
        decimal: str,
        rating_scale: tuple[float, float] | None,
        keep_null_words: bool,
        columns: Mapping[str, str],
        header: tuple[str, ...],
        event_type: str | None,
        day_first: bool | None,
        words: tuple[EventType, ...],
        sheet: str | None,
        value: ValueMeaning | None,
        **others: Any,
    ) -> None:
        options = Options(
            encoding=encoding,
            decimal_comma=decimal == "comma",
            rating_scale=rating_scale,
            keep_null_words=keep_null_words,
            columns=columns,
            header=header,
            event_type=event_type,
            day_first=day_first,
            words=words,
            sheet=sheet,
            value=value,
        )
        command(options=options, **others)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def _encoding(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    try:
        return None if name is None else codecs.lookup(name).name
    except LookupError as error:
        raise click.BadParameter(str(error)) from error


def _scale(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[float, float] | None:
    if text is None:
        return None
    low, dots, high = text.partition("..")
    try:
        scale = float(low), float(high)
    except ValueError:
        scale = 1.0, 0.0
    if not dots or not scale[0] < scale[1]:
        raise click.BadParameter(f"{text} is not LOW..HIGH, such as 1..10")
    return scale


def _columns(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        our, equals, theirs = pair.partition("=")
        if our == "rating" and "stars" not in found:
            found["stars"] = theirs  # what a log calls a rating
        if not equals or our not in USUAL:
            raise click.BadParameter(f"{pair} is not OURS=COLUMN; ours are {', '.join(USUAL)}")
        found[our] = theirs
    return found


def _names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (text or "").split(",")) if text else ()
    if len(set(names)) < len(names):
        raise click.BadParameter("a name stands there twice")
    return names


def _words(
    context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]
) -> tuple[EventType, ...]:
    known = {NOTHING: EventType(NOTHING, NOTHING), **EventWords(DEFAULTS).types}
    found = []
    for pair in pairs:
        word, equals, counts_as = pair.rpartition("=")
        if not equals or counts_as not in known:
            raise click.BadParameter(f"{pair} is not WORD=EVENT_TYPE; types are {', '.join(known)}")
        found.append(replace(known[counts_as], name=word.lower()))
    return tuple(found)


def _event_type(context: click.Context, parameter: click.Parameter, word: str | None) -> str | None:
    words = EventWords(DEFAULTS)
    if word is not None and words.meaning(words.name_of(word), None) is None:
        raise click.BadParameter(f"{word} is not one of {', '.join(words.types)}")
    return word


_OPTIONS = (
    click.option(
        "--map",
        "columns",
        metavar="OURS=COLUMN",
        multiple=True,
        callback=_columns,
        help="Read a column of an unusual name, as in --map user_id=Kundennr; may be repeated.",
    ),
    click.option(
        "--header",
        metavar="NAME,NAME,...",
        callback=_names,
        help="Names of the columns, for a file whose first row is data.",
    ),
    click.option(
        "--event-type",
        callback=_event_type,
        help="What all rows of a log are that has no such column. [default: rating, if it has ratings]",
    ),
    click.option(
        "--event",
        "words",
        metavar="WORD=TYPE",
        multiple=True,
        callback=_words,
        help="What a word for an event counts as, as in --event gekauft=purchase; may be repeated.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a workbook. [default: its first]"),
    click.option(
        "--value",
        type=click.Choice(get_args(ValueMeaning)),
        help="What the column value of a log holds. [default: of purchases the quantity, of view_time "
        "seconds, of ratings stars, of feedback 1, 0 or -1]",
    ),
    click.option(
        "--day-first/--month-first",
        default=None,
        help="How to read 3/4/2024. [default: as the other times of the column show]",
    ),
    click.option("--encoding", callback=_encoding, help="Of a text file. [default: as its bytes show]"),
    click.option(
        "--decimal",
        type=click.Choice(("point", "comma")),
        default="point",
        show_default=True,
        help="How to read 1,399 in a column of which no other number tells.",
    ),
    click.option(
        "--rating-scale",
        metavar="LOW..HIGH",
        callback=_scale,
        help="Lowest and highest rating. [default: as the column shows]",
    ),
    click.option(
        "--keep-null-words", is_flag=True, help='Let ids and names be called "NULL", "NA" or "nan".'
    ),
)
