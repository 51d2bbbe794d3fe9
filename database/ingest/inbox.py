"""The inbox: files dropped into a folder are ingested once, then moved to done/ or failed/ with a report."""

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.adapters import ADAPTERS
from database.ingest.chunk import (
    DEFAULT,
    LOAD_ANY,
    Adapter,
    IngestError,
    Options,
    WrongFormatError,
    in_command,
)
from database.ingest.report import Report
from database.ingest.run import TextEncoder, drop_leftovers, ingest_file

logger = logging.getLogger(__name__)

_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


@dataclass(frozen=True)
class Delivery:
    """What became of one file; `moved_to` is where it lies now.

    `error` says why it failed. A file that could be read, but none of its rows used, has a report as well.
    """

    source: Path
    moved_to: Path
    report: Report | None
    error: str | None


def ingest_inbox(
    conn: Connection,
    inbox: Path,
    *,
    encoder: TextEncoder | None = None,
    adapters: Iterable[Adapter] | None = None,
    settle_seconds: float = 10.0,
    options: Options = DEFAULT,
) -> list[Delivery]:
    """Ingest every file in `inbox`, by name, each with the first adapter that knows it.

    Left for the next time: hidden files, files with an upload's suffix (`.part`, `.tmp`), and files
    changed less than `settle_seconds` ago, which may still be arriving. A file that can't be ingested
    moves to failed/ and the next goes on; a database that does not answer raises, the file stays.
    Killed between commit and move, the next run loads nothing twice. What a run that was killed left in the
    database is dropped first.
    """
    drop_leftovers(conn)
    if not inbox.is_dir():
        return []
    known = list(adapters) if adapters is not None else list(ADAPTERS.values())
    waiting = sorted(path for path in inbox.iterdir() if _is_ready(path, settle_seconds))
    return [_deliver(conn, path, known, encoder, options) for path in waiting]


def detect(path: Path, adapters: Iterable[Adapter], options: Options = DEFAULT) -> Adapter:
    """The first adapter that reads the file.

    Raises WrongFormatError when none does; the message is that of the adapters whose columns it has most of.
    """
    refusals: list[WrongFormatError] = []
    for adapter in adapters:
        try:
            adapter.check(path, options)
        except WrongFormatError as error:
            refusals.append(error)
        else:
            return adapter
    least = min((error.lacking for error in refusals), default=math.inf)
    reasons = [str(error).removeprefix(f"{path}: ") for error in refusals if error.lacking == least]
    reasons = [reason.removesuffix(f"; {LOAD_ANY}") for reason in reasons]
    told = reasons[-1:] if least == math.inf else list(dict.fromkeys(reasons))
    raise WrongFormatError(f"{path}: unknown file format: {'; '.join(told)}")


def _is_ready(path: Path, settle_seconds: float) -> bool:
    if not path.is_file() or path.name.startswith(".") or path.name.endswith(_UNFINISHED):
        return False
    return time.time() - path.stat().st_mtime >= settle_seconds


def _deliver(
    conn: Connection, path: Path, adapters: list[Adapter], encoder: TextEncoder | None, options: Options
) -> Delivery:
    report, error = None, None
    try:
        report = ingest_file(conn, detect(path, adapters, options), path, encoder=encoder, options=options)
        error = report.failure
    except IngestError as failure:
        logger.warning("%s", failure)
        error = str(failure)
    folder = path.parent / ("done" if error is None else "failed")
    folder.mkdir(exist_ok=True)
    target = _free(folder, path.name)
    if error is not None:  # the command that would load it finds it where it lies then
        error = error.replace(f" {in_command(path)}", f" {in_command(target)}")
    content: dict[str, Any] = {} if report is None else report.as_dict()
    content |= {} if error is None else {"error": error}
    target.with_name(f"{target.name}.report.json").write_bytes(
        orjson.dumps(content, option=orjson.OPT_INDENT_2)
    )
    path.rename(target)
    return Delivery(path, target, report, error)


def _free(folder: Path, name: str) -> Path:
    """A name in the folder that is not taken: the file's own, or one with a number before it."""
    number, target = 1, folder / name
    while target.exists():
        number += 1
        target = folder / f"{number}-{name}"
    return target
