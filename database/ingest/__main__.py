"""`python -m database.ingest KIND PATH`: load a file into the platform's database."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import connect
from database.ingest import (
    ADAPTERS,
    SAMPLE,
    IngestError,
    Report,
    TextEncoder,
    WrongFormat,
    ingest_file,
    ingest_inbox,
    ingest_sample,
)
from database.settings import get_settings

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
_HELP = {
    "retail": "Online Retail invoice lines (Parquet).",
    "products": "Amazon products CSV, raw or cleaned.",
    "reviews": "Amazon review JSON lines of 2014, 2018 or 2023.",
    "metadata": "Amazon metadata lines of 2014, 2018 or 2023.",
    "items": "item_id, title[, category, description, tags, price, ...] (CSV or Parquet).",
    "interactions": "user_id, item_id, event_type, timestamp[, value] (CSV or Parquet).",
}


class Refusal(click.ClickException):
    """A file of the wrong kind."""

    exit_code = 2


def encoding(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that says whether items get their vectors in the same transaction."""
    return click.option("--encode/--no-encode", default=False, help="Store the items' vectors with them.")(
        command
    )


@click.group(help="Load files into the platform's database; the same file again changes nothing.")
def main() -> None:
    """Set up logging for every command."""
    logging.basicConfig(level=get_settings().log_level, format="%(asctime)s %(levelname)s %(message)s")


@main.command(help="The sample, Online Retail, with its times moved to end within the past week.")
@click.argument("path", type=_EXISTING, default=SAMPLE)
@encoding
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
@encoding
def inbox(folder: Path | None, encode: bool) -> None:
    """Load what lies in the inbox; exit 1 when a file failed."""
    with _translated() as conn:
        deliveries = ingest_inbox(conn, folder or get_settings().inbox, encoder=_encoder(encode))
    for delivery in deliveries:
        if delivery.report is not None:
            _tell(delivery.report)
        else:
            click.echo(f"failed: {delivery.error}", err=True)
    if any(delivery.report is None for delivery in deliveries):
        raise SystemExit(1)


def _command(name: str) -> click.Command:
    @click.argument("path", type=_EXISTING)
    @encoding
    def load(path: Path, encode: bool) -> None:
        with _translated() as conn:
            report = ingest_file(conn, ADAPTERS[name], path, encoder=_encoder(encode))
        _tell(report)

    return click.command(name, help=_HELP[name])(load)


@contextmanager
def _translated() -> Iterator[Connection]:
    """A connection, and errors as one line each."""
    try:
        with connect() as conn:
            yield conn
    except WrongFormat as error:
        raise Refusal(str(error)) from error
    except IngestError as error:
        raise click.ClickException(str(error)) from error
    except errors.UndefinedTable as error:
        raise click.ClickException(
            "the database has no schema yet; run: python -m database.schema"
        ) from error
    except psycopg2.OperationalError as error:
        raise click.ClickException(f"the database is unavailable: {str(error).splitlines()[0]}") from error


def _encoder(wanted: bool) -> TextEncoder | None:
    """The encoder that an installed package registers as `default` in the group `shortlist.encoder`."""
    if not wanted:
        return None
    found = [entry for entry in entry_points(group="shortlist.encoder") if entry.name == "default"]
    if not found:
        raise click.ClickException("no encoder is installed; run without --encode")
    made: TextEncoder = found[0].load()()
    return made


def _tell(report: Report) -> None:
    click.echo("\n".join(report.lines()))


for _name in ADAPTERS:
    main.add_command(_command(_name))

if __name__ == "__main__":
    main()
