"""Ingesting one file: check, stage, encode, merge, report."""

import logging
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import psycopg2
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.event_words import EventType
from database.ingest.chunk import DEFAULT, Adapter, Chunk, IngestError, Options
from database.ingest.empty_months import (
    IN_THE_WAY,
    Month,
    drop_loading,
    empty_months,
    is_loading,
    take_place,
)
from database.ingest.files import sha256
from database.ingest.merge import (
    Merged,
    gather,
    merge_catalogue,
    merge_vectors,
    refuse_other_kinds,
    texts_to_encode,
)
from database.ingest.merge_events import merge_interactions, merge_users, restore_users
from database.ingest.month_keys import MonthKeys
from database.ingest.progress import Progress
from database.ingest.report import Counts, Report
from database.ingest.stage import Events, Stage, create_stage, drop_stage, stage_vectors
from database.locks import INGESTION, session_lock
from database.partitions import INTERACTIONS, ensure_partitions

logger = logging.getLogger(__name__)

_ENCODE_BATCH = 256
_AT_ONCE = 2
"""Chunks that are in memory beside the one that is being read."""
_TURN = 1e-4
"""Seconds after which a thread that runs Python gives way to one that waits to. With Python's own five
milliseconds, PyArrow and COPY wait for the loop that makes the events' keys at each piece of their work."""
_LONG_AGO = timedelta(days=30)
_OLD = (
    "the last event is of {:%Y-%m-%d}: what is trending or recent leaves such events out; "
    "loaded first with --shift-to-now, a log ends within the past week. Lists by /v1 come from events of any "
    "age; the original API's home page has nothing `personalized` for who was away for over blend.stale_days"
)


class TextEncoder(Protocol):
    """What makes vectors of texts."""

    @property
    def name(self) -> str:
        """Name of the model, stored beside each vector."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """float32[n, dimension], each row of length 1."""


def stored_words(conn: Connection) -> tuple[EventType, ...]:
    """The words for events that were defined by API."""
    with conn.cursor() as cursor:
        cursor.execute("select name, counts_as, weight from event_types order by name")
        types = tuple(EventType(*row) for row in cursor.fetchall())
    conn.commit()
    return types


def recorded_shift(conn: Connection, adapter: Adapter) -> int | None:
    """By how many weeks the adapter's first file that had anything was moved; None before any."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select shift_weeks from ingest_runs where adapter = %s
            and rows_loaded + rows_duplicate > 0 order by ingest_run_id limit 1""",
            (adapter.name,),
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def ingest_file(
    conn: Connection,
    adapter: Adapter,
    path: Path,
    *,
    encoder: TextEncoder | None = None,
    shift_weeks: int | None = None,
    shift_to_now: bool = False,
    ask: bool = False,
    options: Options = DEFAULT,
) -> Report:
    """Load one file; commits on `conn`, which must have no transaction under way.

    Nothing is written before the whole file is read and found right. Items are then committed some at a time,
    with an encoder together with their vectors, so that others can write in between, then users; interactions
    and the report all at once, at the end. `shift_weeks` None moves times as the adapter's earlier files were
    moved, so that overlapping ones meet; with `shift_to_now`, the first file so that its last event is of the
    past week. `options` say how to read what the file does not tell; with `ask`, a file is refused of which
    they leave a question open. Runs wait for each other. Raises WrongFormatError before anything is written,
    IngestError for a file that is damaged, asks, or is to be moved otherwise than earlier ones were.
    """
    options = replace(options, stored_words=stored_words(conn))
    adapter.check(path, options)
    started = datetime.now(UTC)
    digest = sha256(path)
    with _alone(conn), _naming(path), Progress(path.name) as progress:
        known = recorded_shift(conn, adapter)
        weeks = shift_weeks if shift_weeks is not None else known or 0
        to_move = shift_to_now and known is None
        stage = Stage(conn, adapter, apart=not to_move)
        counts = _stage_file(conn, stage, adapter.read(path, weeks, options), progress)
        if ask and counts.questions:
            raise IngestError(f"{path}: {'; '.join(counts.questions)}. Nothing was written.")
        if to_move:
            weeks = max((started - (stage.last or started)) // timedelta(weeks=1), 0)
            stage.move(timedelta(weeks=weeks))
        elif not weeks:
            _look_at_age(path, stage.last, started, counts, shift_to_now=shift_to_now)
        _make_months(conn, stage.months)
        with _fill_months(conn, stage) as keys:
            stage.end()
            if adapter.loads == "items":
                counts.reasons.update(refuse_other_kinds(conn))
            merged, vectors = _merge_items(conn, adapter, encoder, progress, counts.read)
            forgotten = _forgotten(conn)
            users = merge_users(conn, stage.users)
            conn.commit()
            months = _finish_months(conn, stage, keys)

        def write(empty: Sequence[Month]) -> Report:
            new = merge_interactions(conn, stage, empty)
            loaded = new if adapter.loads == "interactions" else merged.items_new + merged.items_changed
            rejected = sum(counts.reasons.values())
            report = Report(
                adapter=adapter.name,
                source=path.name,
                sha256=digest,
                rows_read=counts.read,
                rows_loaded=loaded,
                rows_duplicate=counts.read - rejected - loaded,
                rows_rejected=rejected,
                **asdict(merged),
                users_new=users,
                vectors=vectors,
                shift_weeks=weeks,
                seconds=(datetime.now(UTC) - started).total_seconds(),
                **counts.detail(),
            )
            _record(conn, report, started)
            take_place(conn, empty)
            restore_users(conn, stage.users, forgotten)  # those who were deleted before their events came
            return report

        report = _write_events(conn, stage, months, write)
    logger.info("ingested %s", path.name, extra={"report": report.as_dict()})
    return report


def drop_leftovers(conn: Connection) -> None:
    """Drop what an ingestion that was killed left behind, once none runs.

    Events of users who have been deleted since may be there.
    """
    if is_loading(conn):
        with session_lock(conn, INGESTION):
            drop_loading(conn)
            conn.commit()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Values that a column can't hold are the file's fault, and said so."""
    try:
        yield
    except psycopg2.DataError as error:
        told = f"a value that can't be stored: {str(error).splitlines()[0]}"
        raise IngestError(f"{path}: {told}; correct or leave out that row") from error


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    """Temporary tables and the ingestion lock for the block; whatever is uncommitted at its end is undone."""
    with session_lock(conn, INGESTION):
        create_stage(conn)
        conn.commit()
        try:
            yield
        finally:
            if not conn.closed:
                conn.rollback()
                drop_stage(conn)
                conn.commit()


def _stage_file(conn: Connection, stage: Stage, chunks: Iterator[Chunk], progress: Progress) -> Counts:
    """Stage all chunks: one is read while rows are made of the one before and the server takes a third."""
    counts = Counts()
    with _short_turns(), ThreadPoolExecutor(1, "rows") as making, ThreadPoolExecutor(1, "copy") as copying:
        under_way = deque[Future[None]]()
        for chunk in chunks:
            if len(under_way) == _AT_ONCE:
                under_way.popleft().result()
            events = making.submit(stage.events_of, chunk)
            under_way.append(copying.submit(_add, stage, chunk, events))
            counts.read += chunk.rows
            counts.nulled.update(chunk.nulled)
            counts.notes += chunk.notes
            counts.questions += chunk.questions
            if chunk.rejected is not None:
                counts.add_rejected(chunk.rejected)
            progress.at("reading", chunk.progress, counts.read)
        for added in under_way:
            added.result()
    conn.commit()
    return counts


@contextmanager
def _short_turns() -> Iterator[None]:
    """Of the whole process; ingestions into one database wait for each other, so no two overlap."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _add(stage: Stage, chunk: Chunk, events: Future[Events | None]) -> None:
    stage.add(chunk, events.result())


def age_notes(last: datetime | None, now: datetime) -> list[str]:
    """What to say of a log whose last event is of then; nothing of a recent one, or without any event."""
    return [_OLD.format(last)] if last is not None and now - last > _LONG_AGO else []


def _look_at_age(
    path: Path, last: datetime | None, now: datetime, counts: Counts, *, shift_to_now: bool
) -> None:
    """Say that a log is old. Raises IngestError if it was to be moved, and earlier files were not."""
    if last is not None and shift_to_now and now - last >= timedelta(weeks=1):
        told = "earlier files were loaded with their own times, and stay so"
        raise IngestError(f"{path}: {told}; load it without --shift-to-now")
    counts.notes += age_notes(last, now)


def _merge_items(
    conn: Connection, adapter: Adapter, encoder: TextEncoder | None, progress: Progress, rows: int
) -> tuple[Merged, int]:
    """Write the staged items, some at a time; what was written, and how many vectors were."""
    batches = gather(conn, adapter.family)
    if encoder is not None:
        _encode(conn, encoder, progress, rows, merged=False)
    conn.commit()
    merged, vectors = Merged(), 0
    for batch in range(batches):
        progress.at("writing", batch / batches, rows)
        merged += merge_catalogue(conn, adapter.family, batch)
        vectors += 0 if encoder is None else _store_vectors(conn, encoder, progress, rows)
        conn.commit()
    return merged, vectors


def _make_months(conn: Connection, months: Collection[datetime]) -> None:
    """Partitions for these months; committed at once, for other makers of partitions wait."""
    for month in sorted(months):
        ensure_partitions(conn, INTERACTIONS, month, month)
    conn.commit()


def _fill_months(conn: Connection, stage: Stage) -> MonthKeys:
    """Have the events of empty months where they are filled apart; the keys of these months."""
    months = empty_months(conn, stage.months)
    stage.loading.pour_out(months)
    conn.commit()
    try:
        stage.loading.fill(months)
        conn.commit()
        return MonthKeys(conn, months)
    except IN_THE_WAY as error:
        _go_the_plain_way(conn, stage, error)
        return MonthKeys(conn, [])


def _finish_months(conn: Connection, stage: Stage, keys: MonthKeys) -> list[Month]:
    """Finish the keys of the filled months; which of these are to take places, being empty still."""
    try:
        keys.finish()
    except IN_THE_WAY as error:
        _go_the_plain_way(conn, stage, error)
        return []
    months = [month for month in empty_months(conn, stage.months) if month.table in stage.loading.tables]
    stage.loading.pour_out(months)
    conn.commit()
    return months


def _write_events(
    conn: Connection, stage: Stage, months: Sequence[Month], write: Callable[[Sequence[Month]], Report]
) -> Report:
    """Write the events and their report in one transaction, and commit it.

    The months that were filled take the places of the empty ones, unless that turns out to be impossible.
    """
    if months:
        try:
            report = write(months)
            conn.commit()
        except IN_THE_WAY as error:
            _go_the_plain_way(conn, stage, error)
        else:
            return report
    report = write([])
    conn.commit()
    return report


def _go_the_plain_way(conn: Connection, stage: Stage, error: Exception) -> None:
    conn.rollback()
    logger.warning("events go into months as they stand, which takes longer: %s", str(error).strip())
    stage.loading.pour_out()
    conn.commit()


def _forgotten(conn: Connection) -> int:
    """Grows with each user who is deleted."""
    with conn.cursor() as cursor:
        cursor.execute("select forgotten_id from change_state")
        return int(cursor.fetchall()[0][0])


def _encode(conn: Connection, encoder: TextEncoder, progress: Progress, rows: int, *, merged: bool) -> int:
    texts = texts_to_encode(conn, encoder.name, merged=merged)
    for start in range(0, len(texts), _ENCODE_BATCH):
        part = texts[start : start + _ENCODE_BATCH]
        stage_vectors(conn, [key for key, _ in part], encoder.encode([text for _, text in part]))
        progress.at("encoding", (start + len(part)) / len(texts), rows)
    return len(texts)


def _store_vectors(conn: Connection, encoder: TextEncoder, progress: Progress, rows: int) -> int:
    """Vectors of the merged items; those whose text was edited since they were encoded are encoded again."""
    stored = merge_vectors(conn, encoder.name)
    if _encode(conn, encoder, progress, rows, merged=True):
        stored += merge_vectors(conn, encoder.name)
    return stored


def _record(conn: Connection, report: Report, started: datetime) -> None:
    """Store the run and its refused rows; those of a file that was seen before are stored already."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select 1 from ingest_runs where adapter = %s and sha256 = %s limit 1",
            (report.adapter, report.sha256),
        )
        seen = cursor.fetchone() is not None
        cursor.execute(
            """insert into ingest_runs (adapter, source, sha256, rows_read, rows_loaded, rows_duplicate,
                rows_rejected, reasons, report, shift_weeks, started_at, finished_at)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) returning ingest_run_id""",
            (
                *(report.adapter, report.source, report.sha256),
                *(report.rows_read, report.rows_loaded, report.rows_duplicate, report.rows_rejected),
                *(Json(dict(report.reasons)), Json(report.as_dict()), report.shift_weeks, started),
            ),
        )
        run = cursor.fetchall()[0][0]
        if not seen:
            cursor.execute(
                """insert into rejected_rows (ingest_run_id, source, line, reason, raw)
                select %s, %s, line, reason, raw from staged_rejected order by line""",
                (run, report.source),
            )
