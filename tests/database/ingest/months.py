"""Logs whose months are filled apart, what is stored of them, and what others do meanwhile."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from database.ingest import (
    ADAPTERS,
    Report,
    empty_months,
    ingest_file,
    run,
)

Query = Callable[[str], list[tuple[Any, ...]]]
NOW = datetime.now(UTC)
DAYS = (1, 40, 41, 100, 800, 4000)
"""Ages of events: of months of their own, and of the partition that holds all that is old."""
EVENTS = """select user_id, item_id, event_type, event_name, weight, query, value, price, session_id,
    occurred_at, source, dedup_key, anonymous_id from interactions order by occurred_at, dedup_key"""
REST = (
    "select user_id from users order by 1",
    "select item_id, title from items order by 1",
    "select line, reason, raw from rejected_rows order by 1, 2, 3",
    "select rows_read, rows_loaded, rows_duplicate, rows_rejected, reasons::text from ingest_runs order by 1",
)
SHAPE = (
    """select inhrelid::regclass::text, pg_get_expr(c.relpartbound, c.oid), c.relacl
        from pg_inherits join pg_class c on c.oid = inhrelid
        where inhparent = 'interactions'::regclass order by 1""",
    """select tablename, indexname, indexdef from pg_indexes where tablename like 'interactions%'
        order by 1, 2""",
    """select conrelid::regclass::text, conname, pg_get_constraintdef(oid), conislocal, coninhcount,
        convalidated from pg_constraint where conrelid::regclass::text like 'interactions%' order by 1, 2""",
    """select p.relname, c.relname from pg_inherits i join pg_class p on p.oid = i.inhparent
        join pg_class c on c.oid = i.inhrelid where p.relkind = 'I' order by 1, 2""",
    """select attrelid::regclass::text, attname, attnotnull, attidentity, atthasdef, attstorage
        from pg_attribute where attrelid::regclass::text like 'interactions_y%' and attnum > 0
        order by 1, 2""",
)
CLICK = """insert into interactions (user_id, event_type, item_id, occurred_at, source)
    values ('live', 'click', 'i', %s, 'service') returning interaction_id"""


def log(folder: Path, seed: int, rows: int = 60) -> Path:
    """Few users, items and times, so that events repeat; some rows lack what they need."""
    draw = Random(seed)
    day = NOW.replace(hour=12, minute=0, second=0, microsecond=0)
    lines = ["user_id,item_id,event_type,timestamp,value,query,session_id,unit_price"]
    for _ in range(rows):
        kind = draw.choice(["click", "click", "purchase", "rating", "like", "search_query", "dance"])
        value = {"purchase": draw.choice(["1", "-1"]), "rating": draw.choice(["3", "5", "9"])}.get(kind, "")
        moment = (day - timedelta(days=draw.choice(DAYS))).isoformat()
        row = (
            draw.choice(["u1", "u2", "andré", "andrè", ""]),
            draw.choice(["i1", "i2"]),
            kind,
            draw.choice([moment] * 9 + ["never", "1990-01-01", "2200-01-01"]),
            value,
            '"a ""lamp"""' if kind == "search_query" else "",
            draw.choice(["", "s1"]),
            draw.choice(["", "2.5"]),
        )
        lines.append(",".join(row))
    path = folder / "log.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def load(conn: Connection, path: Path) -> Report:
    return ingest_file(conn, ADAPTERS["interactions"], path)


def meanwhile(monkeypatch: pytest.MonkeyPatch, database: Any, act: Callable[[Cursor], None]) -> None:
    """Another connection commits this after the months were found empty, and before they are locked."""
    real = run._record

    def with_it(*arguments: Any) -> None:
        real(*arguments)
        other = psycopg2.connect(database.dsn, options="-c statement_timeout=3s")
        with other, other.cursor() as cursor:
            act(cursor)
        other.close()

    monkeypatch.setattr(run, "_record", with_it)


def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many months take a place, each time that some do so."""
    counts: list[int] = []
    real = empty_months.take_place

    def counting(conn: Connection, months: Any) -> None:
        real(conn, months)
        if months:
            counts.append(len(months))

    monkeypatch.setattr(run, "take_place", counting)
    return counts


def empty(query: Query) -> None:
    query("truncate interactions, users, items, rejected_rows, ingest_runs restart identity cascade")
    query("update change_state set catalogue_seq = 0")


def write_row_by_row(conn: Connection, path: Path) -> None:
    """What a file's events come to: one after another, each with the key that its count in the file gives."""
    stood = Counter[str]()
    with conn, conn.cursor() as cursor:
        for chunk in ADAPTERS["interactions"].read(path, 0):
            rows = [] if chunk.interactions is None else chunk.interactions.to_dict("records")
            for row in rows:
                told: dict[str, Any] = {
                    str(name): None if pd.isna(value) else value for name, value in row.items()
                }
                key = told["natural_key"]
                stood[key] += 1
                if stood[key] > 1:
                    if told["event_type"] in {"like", "rating", "feedback"}:
                        continue
                    key = f"{key}#{stood[key]}"
                cursor.execute(
                    """insert into interactions (user_id, item_id, event_type, event_name, weight, query,
                        value, price, session_id, occurred_at, source, dedup_key)
                    values (%(user_id)s, %(item_id)s, %(event_type)s, %(event_name)s, %(weight)s, %(query)s,
                        %(value)s, %(price)s, %(session_id)s, %(occurred_at)s, 'interactions',
                        md5(%(key)s)::uuid) on conflict (dedup_key, occurred_at) do nothing""",
                    {"price": None} | told | {"key": key},
                )
                cursor.execute(
                    """insert into users (user_id) select %(user_id)s::text where %(user_id)s is not null
                    on conflict do nothing""",
                    told,
                )
                cursor.execute(
                    """insert into items (item_id, change_seq) select %(item_id)s::text, 1
                    where %(item_id)s is not null on conflict do nothing""",
                    told,
                )


def be_killed(database: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load a log on a connection that is lost when all of it has been read."""
    lost = psycopg2.connect(database.dsn)

    def lose(*_: Any) -> None:
        lost.close()
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(run, "_make_months", lose)
        with pytest.raises(KeyboardInterrupt):
            load(lost, path)
