"""Files of a shop's own making, with columns that are known by name: Parquet, and tables of texts.

A file is gone through twice: once to learn how it writes numbers, times, ids and ratings, then to read them.
The fields of a table of texts wait in a temporary file meanwhile.
"""

import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from database.event_words import meant_by
from database.ingest.ahead import read_ahead
from database.ingest.chunk import Chunk, IngestError, Options, WrongFormatError, in_command, rejected_frame
from database.ingest.column_names import USUAL, Naming, nearest, plain_name, translated
from database.ingest.conventions import FIVE_STARS, Columns, Conventions, Learner
from database.ingest.fields import moments, possible
from database.ingest.files import (
    Batch,
    Block,
    is_flat_parquet,
    parquet_columns,
    parquet_frames,
    parquet_rows,
    raw_row,
)
from database.ingest.tables import Table, form_in_words, open_table, table_columns
from database.ingest.typed_numbers import marked, settled

Lines = NDArray[np.int64]
ToChunk = Callable[[pd.DataFrame, Lines, float, Conventions], Chunk]
"""Makes a chunk of some rows, the lines that they stand in, how much of the file is read by now, and how."""

_MOST_NAMED = 20
_LOOK = 50  # values
_HEADERS = {"items": "item_id,title", "interactions": "user_id,item_id"}
_DATES = Columns(frozenset({"timestamp"}), frozenset(), (), (), "", FIVE_STARS, times=("timestamp",))
_LINE = "\x1fline"  # no column of a file is called so


@dataclass(frozen=True)
class Plan:
    """Which of a file's columns is which of ours, what ours hold, and what else was decided."""

    naming: Naming
    columns: Columns
    notes: tuple[str, ...] = ()


def columns(path: Path, options: Options) -> list[str]:
    """Names of the file's columns, in its order."""
    return parquet_columns(path) if is_flat_parquet(path) else table_columns(path, options)


@dataclass(frozen=True)
class Rows:
    """A file's rows, with the names of its columns."""

    names: list[str]
    chunks: Callable[[Plan, ToChunk], Iterator[Chunk]]
    """The rows by a plan, in chunks; lines that are no row are refused with them. Parquet's columns that are
    not ours are left unread."""


def open_rows(path: Path, options: Options) -> Rows:
    """The rows of a file; `options` say what it does not tell."""
    if is_flat_parquet(path):
        return Rows(parquet_columns(path), lambda plan, to_chunk: _parquet(path, plan, to_chunk, options))
    table = open_table(path, options)
    return Rows(table.names, lambda plan, to_chunk: _table(table, plan, to_chunk, options))


def refuse_unknown(path: Path, names: Sequence[str], wanted: Sequence[str], options: Options) -> None:
    """Raise WrongFormatError if the options name a column that the file lacks."""
    for our, theirs in options.columns.items():
        if our in wanted and theirs not in names:
            there = ", ".join(names[:_MOST_NAMED])
            raise WrongFormatError(
                f"{path}: no column {theirs}, which --map {our} names; its columns are {there}"
            )


def missing(
    path: Path,
    names: Sequence[str],
    lacking: Sequence[str],
    options: Options,
    *,
    naming: Naming,
    of: int,
    kind: str,
) -> WrongFormatError:
    """Why a file is refused that lacks columns, of so many needed ones: which, what is there, what may do."""
    if not names:
        return WrongFormatError(
            f"{path}: the file is empty; a first row with the columns' names is needed", 0.0
        )
    there = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
    free = [name for name, our in zip(names, naming.ours, strict=True) if our not in USUAL]
    guesses, unlike, advice, guessed = [], [], "", dict[str, str | None]()
    for our in lacking:
        found = translated(our, free) if our == "event_type" else nearest(our, free)
        if our == "timestamp" and found is not None and not _holds_times(path, found, options):
            found = None  # its name alone is like that of times: "reordered", or a time of day
        if found is None and our != "event_type":
            unlike.append(our)
        guessed[our] = found
        guesses += [f"--map {our}={found or 'COLUMN'}"] if found or our in unlike else []
        free = [name for name in free if name != found]
    if "event_type" in lacking and not any(guess.startswith("--map event_type=") for guess in guesses):
        guesses.append("--event-type purchase")
    if _looks_like_data(names):
        named = f"--header {_HEADERS[kind]}"
        those = f"name the {len(names)} columns, in their order, by {named},..."
        advice = f"try: the first row looks like data: {those}"
    elif len(unlike) > len(free):
        left = f"only {', '.join(free)}" if free else "none"
        advice = f"too few columns: for {', '.join(unlike)} there is {left}"
    elif guesses:
        command = f"python -m database.ingest {kind} {in_command(path)}"
        # Only a command that loads the file as it stands is said to be worth a try.
        how = f"say which column is the {' and which the '.join(unlike)}" if unlike else "try"
        date = _undecided(path, guessed.get("timestamp") or _theirs("timestamp", names, naming), options)
        if date is not None:
            also = " and " if unlike else ""
            how = f"{how if unlike else ''}{also}say which comes first in {date}, the day or the month, with "
            how += "--day-first or --month-first at the end of"
        advice = f"{how}: " + " ".join([command, *map(_quoted, (*_stated(options, lacking), *guesses))])
    hint = f"; {advice}" if advice else ""
    looks = f"it looks like {form_in_words(path, options)}"
    told = f"not {kind}: no column {', '.join(lacking)}; its columns are {there[:500]}; {looks}{hint}"
    return WrongFormatError(f"{path}: {told}", len(lacking) / of)


def _theirs(our: str, names: Sequence[str], naming: Naming) -> str | None:
    return names[naming.ours.index(our)] if our in naming.ours else None


def _values(path: Path, name: str, options: Options) -> Iterator[pa.Array]:
    """A column's values, some at a time."""
    if is_flat_parquet(path):
        for rows in parquet_rows(path, [name]):
            yield rows.column(0)
    else:
        table = open_table(path, options)
        place = table.names.index(name)
        for batch in table.batches():
            if isinstance(batch, Block):
                yield batch.columns[place]
            else:
                yield pa.array([row[place] for row in batch.values], pa.string())


def _holds_times(path: Path, name: str, options: Options) -> bool:
    """Whether one of a column's first values at least can be the time of an event."""
    with suppress(IngestError):
        values = next(_values(path, name, options))[:_LOOK].to_pandas()
        return bool(possible(moments(values, day_first=True, short_years=True)).any())
    return True  # the file's own fault is told where it is read


def _undecided(path: Path, name: str | None, options: Options) -> str | None:
    """One of a column's dates, if none of them nor the options tell which number is the day; else None."""
    learner = Learner(_DATES, options)
    with suppress(IngestError):
        for values in () if name is None else _values(path, name, options):
            learner.look(pa.RecordBatch.from_arrays([values], ["timestamp"]))
    return learner.undecided_date


def _stated(options: Options, lacking: Sequence[str]) -> list[str]:
    """What was stated of how to read the file, as options of a command."""
    found = [f"--map {our}={theirs}" for our, theirs in options.columns.items() if our not in lacking]
    scale = options.rating_scale
    for name, value in (
        ("header", ",".join(options.header)),
        ("event-type", options.event_type),
        ("sheet", options.sheet),
        ("encoding", options.encoding),
        ("value", options.value),
        ("decimal", "comma" if options.decimal_comma else None),
        ("rating-scale", scale and f"{scale[0]:g}..{scale[1]:g}"),
    ):
        found += [f"--{name} {value}"] if value else []
    found += [f"--event {word.name}={meant_by(word)}" for word in options.words]
    if options.day_first is not None:
        found.append("--day-first" if options.day_first else "--month-first")
    return [*found, "--keep-null-words"] if options.keep_null_words else found


def refused(frame: pd.DataFrame, lines: Lines, reason: pd.Series, about: Mapping[str, str]) -> pd.DataFrame:
    """The rows that have a reason, as `rejected_frame` gives them, with what stood in the file.

    `about` names the column that a reason is about; what stood there is the further column "seen".
    """
    bad = reason.notna().to_numpy()
    if not bad.any():
        return rejected_frame([], [], []).assign(seen=pd.Series(dtype="str"))
    rows, reasons = frame[bad], reason[bad]  # to write times as text takes long, and most rows are good
    raws = [raw_row(["" if pd.isna(field) else str(field) for field in row]) for row in rows.to_numpy()]
    found = rejected_frame(lines[bad].tolist(), list(reasons), raws)
    seen = pd.Series(None, index=rows.index, dtype="str")
    for text, name in about.items():
        if name in rows:
            of_reason = reasons == text
            seen[of_reason] = rows.loc[of_reason, name].astype("str")
    return found.assign(seen=seen.to_numpy())


def _table(table: Table, plan: Plan, to_chunk: ToChunk, options: Options) -> Iterator[Chunk]:
    learner = Learner(plan.columns, options)
    yield Chunk(0, 0.0, notes=(*table.notes, *plan.naming.notes, *plan.notes))
    with tempfile.TemporaryFile() as spool:
        yield from _spooled(table, plan.naming.ours, spool, learner)
        conventions = learner.conclude()
        yield Chunk(0, 0.5, notes=conventions.notes)
        size = max(spool.tell(), 1)
        spool.seek(0)
        with pa.ipc.open_stream(spool) as reader:
            for rows in reader:
                frame = rows.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
                lines = frame.pop(_LINE).to_numpy()
                for name in plan.columns.numbers & set(frame):
                    frame[name] = settled(frame[name], comma=name in conventions.comma)
                yield to_chunk(frame, lines, 0.5 + 0.5 * spool.tell() / size, conventions)


def _parquet(path: Path, plan: Plan, to_chunk: ToChunk, options: Options) -> Iterator[Chunk]:
    ours = dict(zip(parquet_columns(path), plan.naming.ours, strict=True))
    ours_hold = plan.columns
    learner = Learner(ours_hold, options)
    kept = [name for name, our in ours.items() if our in ours_hold.read]
    for rows in parquet_rows(path, [name for name in kept if ours[name] in ours_hold.telling]):
        learner.look(rows.rename_columns([ours[name] for name in rows.schema.names]))
    conventions = learner.conclude()
    yield Chunk(0, 0.0, notes=(*plan.naming.notes, *plan.notes, *conventions.notes))
    texts = {name for name in kept if ours[name] in ours_hold.texts}
    for frame, first, progress in parquet_frames(path, kept, texts):
        lines = np.arange(first, first + len(frame))
        yield to_chunk(frame.rename(columns=ours), lines, progress, conventions)


def _spooled(table: Table, names: list[str], spool: IO[bytes], learner: Learner) -> Iterator[Chunk]:
    """Write a table's fields to the spool and learn from them; gives the lines that are no row."""
    schema = pa.schema([*((name, pa.string()) for name in names), (_LINE, pa.int64())])
    numbers = learner.columns.numbers
    with pa.ipc.new_stream(spool, schema) as writer:
        for batch in read_ahead(table.batches()):
            if batch.lines:
                fields = _columns(batch, [name in numbers for name in names])
                rows = pa.RecordBatch.from_arrays([*fields, _lines(batch)], schema=schema)
                writer.write_batch(rows)
                learner.look(rows)
            if isinstance(batch, Block):
                yield Chunk(0, batch.progress / 2)
                continue
            bad = len(batch.bad_lines)
            told = rejected_frame(batch.bad_lines, batch.bad_reasons, batch.bad_raws) if bad else None
            yield Chunk(bad, batch.progress / 2, rejected=told)


def _columns(batch: Batch | Block, numbers: Sequence[bool]) -> list[pa.Array]:
    """The rows' columns of texts; in those of numbers, typed ones are marked."""
    if isinstance(batch, Block):
        return batch.columns
    return [
        pa.array(marked(column) if number else column, pa.string())
        for number, column in zip(numbers, zip(*batch.values, strict=True), strict=True)
    ]


def _lines(batch: Batch | Block) -> pa.Int64Array:
    if isinstance(batch, Block):
        return pa.array(np.arange(batch.lines.start, batch.lines.stop))
    return pa.array(batch.lines, pa.int64())


def _quoted(option: str) -> str:
    flag, space, pair = option.partition(" ")
    return f"{flag} {shlex.quote(pair)}" if space else flag


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first row holds no names: several numbers in it, or one and no name that is usual."""
    numbers = sum(name.replace(".", "", 1).replace("-", "", 2).isdigit() for name in names)
    usual = {name for known in USUAL.values() for name in known}
    return numbers > bool(usual & {plain_name(name) for name in names})
