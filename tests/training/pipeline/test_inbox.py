"""What is dropped into the inbox is ingested once; what can't be read goes to failed/ and stops nothing."""

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.settings import get_settings
from training.params import encoder
from training.pipeline.steps import run_steps

HEADER = "user_id,item_id,event_type,timestamp,value\n"
GOOD = HEADER + "ann,ITEM000001,purchase,2026-11-01T10:00:00Z,2\nbob,ITEM000002,click,2026-11-02T10:00:00Z,\n"
MIXED = HEADER + "cy,ITEM000003,like,2026-11-03T10:00:00Z,\ncy,ITEM000003,hug,2026-11-03T10:00:00Z,\n"
LONG = HEADER + "".join(
    f"u{n * 7919 % 1000},ITEM000001,click,2026-11-01T10:00:{n % 60:02}Z,{n}\n" for n in range(5000)
)


class Still:
    """An encoder that nothing has to wait for."""

    name = "all-MiniLM-L6-v2"
    dimension = 384

    def encode(self, texts: list[str]) -> Any:
        return np.zeros((len(texts), self.dimension), dtype=np.float32)


@pytest.fixture
def inbox(slow_plane: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(encoder, "default_encoder", Still)
    folder = get_settings().inbox
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    a_minute_ago = time.time() - 60
    os.utime(path, (a_minute_ago, a_minute_ago))


def count(connection: Connection, condition: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {condition}")
        [(found,)] = cursor.fetchall()
    connection.commit()
    return int(found)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_every_file_is_ingested_once_and_lies_with_its_report(inbox: Path, connection: Connection) -> None:
    put(inbox, "a-good.csv", GOOD.encode())
    put(inbox, "b-mixed.csv", MIXED.encode())
    put(inbox, "c-unknown.csv", b"colour,weight\nred,1\n")
    put(inbox, "d-torn.csv.gz", gzip.compress(LONG.encode())[:3000])
    put(inbox, "e-uploading.csv.part", GOOD.encode())

    run_steps(["ingest"])

    assert names(inbox) == ["e-uploading.csv.part"]
    assert names(inbox / "done") == [
        "a-good.csv",
        "a-good.csv.report.json",
        "b-mixed.csv",
        "b-mixed.csv.report.json",
    ]
    assert [name for name in names(inbox / "failed") if not name.endswith(".report.json")] == [
        "c-unknown.csv",
        "d-torn.csv.gz",
    ]
    report = json.loads((inbox / "done" / "b-mixed.csv.report.json").read_text())
    assert (report["rows_read"], report["rows_loaded"], report["rows_rejected"]) == (2, 1, 1)
    assert (
        "unknown file format"
        in json.loads((inbox / "failed" / "c-unknown.csv.report.json").read_text())["error"]
    )
    assert count(connection, "interactions where user_id in ('ann', 'bob', 'cy')") == 3
    assert count(connection, "rejected_rows") == 1


def test_the_same_file_again_changes_nothing(inbox: Path, connection: Connection) -> None:
    for _ in range(2):
        put(inbox, "day.csv", GOOD.encode())
        run_steps(["ingest"])

    assert count(connection, "interactions where user_id in ('ann', 'bob')") == 2
    again = json.loads((inbox / "done" / "2-day.csv.report.json").read_text())
    assert (again["rows_loaded"], again["rows_duplicate"]) == (0, 2)


def test_an_empty_inbox_takes_no_encoder(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise AssertionError("nothing is to be encoded")

    monkeypatch.setattr(encoder, "default_encoder", load)
    run_steps(["ingest"])

    assert names(inbox) == []
