"""Ingesting one file: check, stage, encode, merge, report."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import psycopg2
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.event_words import DEFAULTS, EventType, EventWords
from database.ingest.chunk import DEFAULT, Adapter, Chunk, IngestError, Options
from database.ingest.files import sha256
from database.ingest.merge import (
    Merged,
    gather,
    merge_catalogue,
    merge_interactions,
    merge_users,
    merge_vectors,
    refuse_other_kinds,
    texts_to_encode,
)
from database.ingest.progress import Progress
from database.ingest.stage import analyze_stage, create_stage, drop_stage, stage, stage_vectors
from database.locks import INGESTION
from database.partitions import INTERACTIONS, ensure_partitions

logger = logging.getLogger(__name__)

_ENCODE_BATCH = 256
_MOST_SEEN = 10_000  # distinct values that are counted for a reason
_SHOWN = 3
_LONGEST_SHOWN = 60
_LONG_AGO = timedelta(days=30)
_OLD = (
    "the last event is of {:%Y-%m-%d}: what is trending or recent leaves such events out; "
    "loaded first with --shift-to-now, a log ends within the past week"
)


class TextEncoder(Protocol):
    """What makes vectors of texts."""

    @property
    def name(self) -> str:
        """Name of the model, stored beside each vector."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """float32[n, dimension], each row of length 1."""


@dataclass(frozen=True)
class Report:
    """What became of a file's rows: read = loaded + duplicate + rejected.

    `rows_loaded` are new interactions, or, for a file of items, items new or changed; `rows_duplicate`
    said nothing new. `reasons` counts the refused rows, `nulled` the fields left empty; `notes` say how the
    file was read where that could have been done in another way. `seen` has the commonest values behind
    a reason.
    """

    adapter: str
    source: str
    sha256: str
    rows_read: int
    rows_loaded: int
    rows_duplicate: int
    rows_rejected: int
    items_new: int
    items_changed: int
    items_bare: int
    users_new: int
    vectors: int
    shift_weeks: int
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    nulled: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seen: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def failure(self) -> str | None:
        """Why the run counts as failed: the commonest reason, when every row was refused; None otherwise."""
        if self.rows_rejected < self.rows_read or not self.rows_read:
            return None
        reason = _most(self.reasons)[0][0]
        return f"{self.source}: none of {self.rows_read:,} rows could be loaded: {self._told(reason)}"

    def _told(self, reason: str) -> str:
        values = [
            f'"{value[:_LONGEST_SHOWN]}" {count:,} ×' for value, count in _most(self.seen.get(reason, {}))
        ]
        return f"{reason}: {', '.join(values)}" if values else reason

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report in words."""
        shift = f", times moved forward by {self.shift_weeks} weeks" if self.shift_weeks else ""
        return [
            f"{self.source}: {self.rows_read:,} rows read in {self.seconds:.1f} s{shift}",
            *(f"  {note}" for note in self.notes),
            f"  loaded     {self.rows_loaded:>9,}",
            f"  duplicate  {self.rows_duplicate:>9,}",
            f"  rejected   {self.rows_rejected:>9,}",
            *(f"    {count:>13,}  {self._told(reason)}" for reason, count in _most(self.reasons)),
            *(f"  left empty {count:>9,}  {reason}" for reason, count in _most(self.nulled)),
            f"  items: {self.items_new:,} new, {self.items_changed:,} changed, "
            f"{self.items_bare:,} known by interactions only; {self.users_new:,} users new; "
            f"{self.vectors:,} vectors",
        ]


@dataclass
class _Counts:
    read: int = 0
    staged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    nulled: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    seen: dict[str, Counter[str]] = field(default_factory=dict)

    def add_rejected(self, rows: pd.DataFrame) -> None:
        """Count refused rows by reason, and what stood in the column that it is about."""
        self.reasons.update(rows["reason"])
        if "seen" in rows:
            counted = rows.groupby(["reason", "seen"], as_index=False).size()
            for reason, value, count in counted.itertuples(index=False, name=None):
                known = self.seen.setdefault(reason, Counter())
                if value in known or len(known) < _MOST_SEEN:
                    known[value] += int(count)


def _defined(conn: Connection) -> list[EventType]:
    """The words for events that were defined by API."""
    with conn.cursor() as cursor:
        cursor.execute("select name, counts_as, weight from event_types order by name")
        types = [EventType(*row) for row in cursor.fetchall()]
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
    options: Options = DEFAULT,
) -> Report:
    """Load one file; commits on `conn`, which must have no transaction under way.

    Nothing is written before the whole file is read and found right. Items are then committed some at a time,
    with an encoder together with their vectors, so that others can write in between; interactions and the
    report all at once, at the end. `shift_weeks` None moves times as the adapter's earlier files were moved,
    so that overlapping ones meet; with `shift_to_now`, the first file so that its last event is of the past
    week. `options` say how to read what the file does not tell. Runs wait for each other. Raises WrongFormat
    before anything is written, IngestError for a file that is damaged, or that is to be moved otherwise than
    earlier ones were.
    """
    options = replace(options, words=EventWords([*DEFAULTS, *_defined(conn)]))
    adapter.check(path, options)
    started = datetime.now(UTC)
    digest = sha256(path)
    with _alone(conn), _naming(path), Progress(path.name) as progress:
        known = recorded_shift(conn, adapter)
        weeks = shift_weeks if shift_weeks is not None else known or 0
        counts = _stage_file(conn, adapter.read(path, weeks, options), progress)
        last = _last_event(conn)
        late = timedelta(0) if last is None else max(started - last, timedelta(0))
        if shift_to_now and known is None:
            weeks = _move_staged(conn, late // timedelta(weeks=1))
        elif shift_to_now and not known and late >= timedelta(weeks=1):
            raise IngestError(f"{path}: earlier files were loaded with their own times, and stay so")
        elif late > _LONG_AGO and not weeks:
            counts.notes.append(_OLD.format(last))
        if adapter.loads == "items":
            counts.reasons.update(refuse_other_kinds(conn))
        _make_months(conn)
        batches = gather(conn, adapter.family)
        if encoder is not None:
            _encode(conn, encoder, progress, counts.read, merged=False)
        conn.commit()
        merged, vectors = Merged(), 0
        for batch in range(batches):
            progress.at("writing", batch / batches, counts.read)
            merged += merge_catalogue(conn, adapter.family, batch)
            vectors += 0 if encoder is None else _store_vectors(conn, encoder, progress, counts.read)
            conn.commit()
        new = merge_interactions(conn, adapter.name, counts.staged, repeats=adapter.repeats)
        users = merge_users(conn)
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
            reasons=dict(counts.reasons),
            nulled=dict(counts.nulled),
            notes=tuple(counts.notes),
            seen={reason: dict(values.most_common(_SHOWN)) for reason, values in counts.seen.items()},
        )
        _record(conn, report, started)
        conn.commit()
    logger.info("ingested %s", path.name, extra={"report": report.as_dict()})
    return report


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Values that a column can't hold are the file's fault, and said so."""
    try:
        yield
    except psycopg2.DataError as error:
        raise IngestError(f"{path}: a value that can't be stored: {str(error).splitlines()[0]}") from error


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    """Temporary tables and the ingestion lock for the block; whatever is uncommitted at its end is undone."""
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (INGESTION,))
    create_stage(conn)
    conn.commit()
    try:
        yield
    finally:
        if not conn.closed:
            conn.rollback()
            drop_stage(conn)
            with conn.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s)", (INGESTION,))
            conn.commit()


def _stage_file(conn: Connection, chunks: Iterator[Chunk], progress: Progress) -> _Counts:
    counts = _Counts()
    for chunk in chunks:
        stage(conn, chunk)
        counts.read += chunk.rows
        counts.staged += 0 if chunk.interactions is None else len(chunk.interactions)
        counts.nulled.update(chunk.nulled)
        counts.notes += chunk.notes
        if chunk.rejected is not None:
            counts.add_rejected(chunk.rejected)
        progress.at("reading", chunk.progress, counts.read)
    analyze_stage(conn)
    conn.commit()
    return counts


def _last_event(conn: Connection) -> datetime | None:
    with conn.cursor() as cursor:
        cursor.execute("select max(occurred_at) from staged_interactions")
        last: datetime | None = cursor.fetchall()[0][0]
    return last


def _move_staged(conn: Connection, weeks: int) -> int:
    """Move the staged events forward by whole weeks, so that weekday and hour stay."""
    with conn.cursor() as cursor:
        cursor.execute(
            "update staged_interactions set occurred_at = occurred_at + %s", (timedelta(weeks=weeks),)
        )
    return weeks


def _make_months(conn: Connection) -> None:
    """Partitions for the staged months; committed at once, for other makers of partitions wait."""
    with conn.cursor() as cursor:
        cursor.execute("select distinct date_trunc('month', occurred_at, 'UTC') from staged_interactions")
        months = {month for (month,) in cursor.fetchall()}
    for month in sorted(months):
        ensure_partitions(conn, INTERACTIONS, month, month)
    conn.commit()


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


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
