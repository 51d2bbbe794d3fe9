"""`python -m database.ingest KIND PATH`: load a file into the platform's database."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.command_line import errors_as_messages
from database.connection import connect
from database.errors import DatabaseError
from database.event_words import EventType
from database.ingest import (
    ADAPTERS,
    SAMPLE,
    Options,
    Report,
    TextEncoder,
    WrongFormatError,
    ingest_file,
    ingest_inbox,
    ingest_sample,
)
from database.ingest.command_options import reading
from database.ingest.inbox import detect
from database.ingest.preview import preview
from database.ingest.query import queried
from database.ingest.rejected import count_rejected, export_rejected, first_rejected
from database.ingest.run import stored_words
from database.settings import get_settings

_LONGEST_SHOWN = 300  # characters of a rejected row; the export has all
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, path_type=Path)
_HELP = {
    "retail": "Online Retail invoice lines (Parquet).",
    "products": "Amazon products CSV, raw or cleaned.",
    "reviews": "Amazon review JSON lines of 2014, 2018 or 2023.",
    "metadata": "Amazon metadata lines of 2014, 2018 or 2023.",
    "items": "A catalogue: item_id, title[, category, description, tags, price, ...].",
    "interactions": "A log: user_id, item_id, event_type, timestamp[, value].",
    "load": "Files of any kind, or folders of them: the kind is told from their columns.",
}


class Refusal(click.ClickException):
    """A file of the wrong kind."""

    exit_code = 2


def encoded(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that says whether items get their vectors in the same transaction."""
    told = "Store the items' vectors with them. [default: the running service makes them in the background]"
    return click.option("--encode/--no-encode", default=False, help=told)(command)


@click.group(help="Load files into the platform's database; the same file again changes nothing.")
def main() -> None:
    """Set up logging for every command."""
    logging.basicConfig(level=get_settings().log_level, format="%(asctime)s %(levelname)s %(message)s")


@main.command(help="The sample, Online Retail, with its times moved to end within the past week.")
@click.argument("path", type=_FILE, default=SAMPLE)
@encoded
def sample(path: Path, encode: bool) -> None:
    """Load the sample."""
    with _translated() as conn:
        report = ingest_sample(conn, path, encoder=_encoder(encode))
    _tell(report)
    click.echo(
        f"All times of the sample stand {report.shift_weeks} weeks after the original ones; "
        "later Online Retail files are moved by the same."
    )


@main.command(help="Every file in the inbox folder; each moves to done/ or failed/ with its report.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@encoded
@reading
def inbox(folder: Path | None, encode: bool, options: Options) -> None:
    """Load what lies in the inbox; exit 1 when a file failed."""
    options = _with_configured_words(options)
    with _translated() as conn:
        deliveries = ingest_inbox(
            conn, folder or get_settings().inbox, encoder=_encoder(encode), options=options
        )
    for delivery in deliveries:
        if delivery.report is not None:
            _tell(delivery.report)
        if delivery.error is not None:
            click.echo(f"failed: {delivery.error}", err=True)
    if any(delivery.error is not None for delivery in deliveries):
        raise SystemExit(1)


@main.command(help="Rows that could not be used: of the file of that name, or of the last that had some.")
@click.argument("file", required=False)
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), help="Write all of them as CSV.")
@click.option("--limit", default=20, show_default=True, help="How many to show.")
def rejected(file: str | None, export: Path | None, limit: int) -> None:
    """Show why rows were rejected, and the first of them; or write all to a file."""
    source = None if file is None else Path(file).name
    with _translated() as conn:
        counts = count_rejected(conn, source)
        if export is not None:
            with export.open("w", encoding="utf-8", newline="") as target:
                export_rejected(conn, source, target)
        rows = [] if export is not None else list(first_rejected(conn, source, limit))
    for reason, count in counts:
        click.echo(f"{count:>13,}  {reason}")
    for name, line, reason, raw in rows:
        text = raw if len(raw) <= _LONGEST_SHOWN else f"{raw[:_LONGEST_SHOWN]}..."
        click.echo(f"{name}:{line}: {reason}: {text}")
    if not counts:
        click.echo("No rows were rejected." if file is None else f"No rows of {source} were rejected.")


def _command(name: str | None) -> click.Command:
    """The command of an adapter, or the one that tells the adapter from the file."""

    @click.argument("paths", type=_EXISTING, nargs=-1)
    @click.option(
        "--from", "url", metavar="POSTGRESQL-URL", help="Load the rows of --query in this database."
    )
    @click.option("--query", help="The query whose rows are loaded, in place of a file's.")
    @click.option(
        "--shift-to-now",
        is_flag=True,
        help="Move the times of a log of the past by whole weeks, so that it ends within the last one; "
        "later files of the kind move by the same.",
    )
    @click.option("--dry-run", is_flag=True, help="Show how the files would be read, and write nothing.")
    @encoded
    @reading
    def load(
        *,
        paths: tuple[Path, ...],
        url: str | None,
        query: str | None,
        dry_run: bool,
        shift_to_now: bool,
        encode: bool,
        options: Options,
    ) -> None:
        failed = False
        options = _with_configured_words(options)
        for path in _sources(paths, url, query):
            with _refusing():
                adapter = ADAPTERS[name] if name else detect(path, ADAPTERS.values(), options)
                if dry_run:
                    known = replace(options, stored_words=_words_by_api())
                    click.echo(f"{path.name}, as {adapter.name}:")
                    click.echo("\n".join(preview(adapter, path, known).lines()))
                    continue
            with _translated() as conn:
                report = ingest_file(
                    conn,
                    adapter,
                    path,
                    encoder=_encoder(encode),
                    shift_to_now=shift_to_now,
                    ask=True,
                    options=options,
                )
            _tell(report)
            if report.failure is not None:
                failed = True
                click.echo(f"Error: {report.failure}", err=True)
        if failed:
            raise SystemExit(1)

    return click.command(name or "load", help=_HELP[name or "load"])(load)


def _sources(paths: Sequence[Path], url: str | None, query: str | None) -> Iterator[Path]:
    """The files, or the one with the rows of the query."""
    if (url is None) != (query is None) or (url is None) == (not paths):
        raise click.UsageError("either files, or --from with --query")
    if url is None or query is None:
        yield from _files(paths)
        return
    with _refusing(), queried(url, query) as path:
        yield path


def _files(paths: Iterable[Path]) -> list[Path]:
    """The files, and those in the folders, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.iterdir() if each.is_file() and each.name[0] != ".")
        else:
            found.append(path)
    return found


@contextmanager
def _refusing() -> Iterator[None]:
    """Errors of files as one line each."""
    with errors_as_messages(DatabaseError):
        try:
            yield
        except WrongFormatError as error:
            raise Refusal(str(error)) from error


@contextmanager
def _translated() -> Iterator[Connection]:
    """A connection, and errors as one line each."""
    try:
        with _refusing(), connect() as conn:
            yield conn
    except errors.UndefinedTable as error:
        raise click.ClickException(
            "the database has no schema yet; run: python -m database.schema"
        ) from error
    except psycopg2.OperationalError as error:
        raise click.ClickException(f"the database is unavailable: {str(error).splitlines()[0]}") from error


def _registered(group: str) -> Any | None:
    """What an installed package registers as `default` in an entry point's group; None without one."""
    found = [entry for entry in entry_points(group=group) if entry.name == "default"]
    return found[0].load() if found else None


def _with_configured_words(options: Options) -> Options:
    """The options with the words for events that params.yaml defines."""
    configured = _registered("shortlist.event_types")
    try:
        return options if configured is None else replace(options, configured_words=configured())
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _words_by_api() -> tuple[EventType, ...]:
    """The words that were defined by API; none, and said, where the database can't be asked."""
    try:
        with connect() as conn:
            return stored_words(conn)
    except psycopg2.Error as error:
        reason = str(error).splitlines()[0]
        click.echo(f"event types that were defined by API are not known: {reason}", err=True)
        return ()


def _encoder(wanted: bool) -> TextEncoder | None:
    """The encoder that an installed package registers as `default` in the group `shortlist.encoder`."""
    if not wanted:
        return None
    make = _registered("shortlist.encoder")
    if make is None:
        raise click.ClickException("no encoder is installed; run without --encode")
    made: TextEncoder = make()
    return made


def _tell(report: Report) -> None:
    click.echo("\n".join(report.lines()))


for _name in (None, *ADAPTERS):
    main.add_command(_command(_name))

if __name__ == "__main__":
    main()
