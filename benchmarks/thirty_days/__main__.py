"""`python -m benchmarks.thirty_days`: thirty days of a shop in minutes, with faults, told as a table.

The platform runs as `make up` starts it, under a folder of its own and on free ports.
"""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import pandas as pd

from benchmarks.thirty_days.days import Day, Month, failures
from benchmarks.thirty_days.deliveries import Retail, cut, drop
from benchmarks.thirty_days.shoppers import Shoppers
from benchmarks.thirty_days.story import row, story
from benchmarks.thirty_days.whole import Answers, stored_bundles
from benchmarks.thirty_days.world import World, open_world
from database import deployments
from database.connection import connect
from database.ingest import ADAPTERS, ingest_file
from training.pipeline.replay import replay
from training.release.bundle import find_stored
from training.tracking.registry import BUNDLE
from training.tracking.tracker import Tracker

DAYS = 30
ITEMS = 200
"""Best-selling items that shoppers ask about."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The story.")
@click.option("--share", type=float, default=0.2, help="Share of the customers, 0..1.")
@click.option("--workers", type=int, default=2, help="Workers of the service.")
@click.option("--days", type=click.IntRange(1, DAYS), default=DAYS, help="Play only so many days.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Work here, and leave it running."
)
def main(out: Path, share: float, workers: int, days: int, keep: Path | None) -> None:
    """Play the month and write the story as Markdown."""
    logging.basicConfig(filename=out.with_suffix(".log"), level="WARNING", filemode="w")
    started, now = time.monotonic(), pd.Timestamp.now("UTC")
    with _folder(keep) as root, open_world(root, workers, keep=keep is not None) as world:
        retail = cut(DAYS, share, now)
        _load(world, retail)
        shoppers = Shoppers(
            world.address, retail.customers, _items(world), Answers(stored_bundles(world.settings))
        )
        month = Month(world, retail, shoppers, now.date())
        first = month.first_bundle()
        click.echo(f"After {time.monotonic() - started:.0f} s: {first}")
        played: list[Day] = []
        with shoppers:
            for number, day in enumerate(list(retail.days)[:days], start=1):
                played.append(month.play(number, day))
                click.echo(row(played[-1]))
                out.write_text(story(played, ["The month is not over."], month.names, share))
        minutes = (time.monotonic() - started) / 60
        out.write_text(story(played, _look_back(world, month, played, minutes), month.names, share))
        if keep is not None:
            _tell_kept(world)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the month is played; PostgreSQL runs as an account of its own, so all may enter."""
    if keep is not None:
        keep.mkdir(mode=0o755, parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="shortlist-month-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _tell_kept(world: World) -> None:
    click.echo(f"Airflow {world.settings.airflow_address}, MLflow {world.settings.tracking_uri}, ")
    click.echo(f"service {world.address}. Stop it: SHORTLIST_HOME={world.settings.home} make down")


def _load(world: World, retail: Retail) -> None:
    """The past, loaded as an operator would."""
    path = drop(retail.before, world.root / "before.parquet", retail.ahead)
    with connect(world.settings) as conn:
        ingest_file(conn, ADAPTERS["retail"], path, shift_weeks=retail.weeks)


def _items(world: World) -> list[str]:
    with connect(world.settings) as conn, conn.cursor() as cursor:
        cursor.execute(
            """select item_id from interactions join items using (item_id) where title is not null
            group by item_id order by count(*) desc, item_id limit %s""",
            (ITEMS,),
        )
        return [row[0] for row in cursor.fetchall()]


def _look_back(world: World, month: Month, days: Sequence[Day], minutes: float) -> list[str]:
    """What must be true after the month."""
    with connect(world.settings) as conn:
        past = deployments.history(conn, 1000)
        with conn.cursor() as cursor:
            cursor.execute("select count(*) from interactions where source = 'service'")
            [(kept,)] = cursor.fetchall()
    serving, lost, clicks = past[0], failures(days), month.shoppers.clicks
    asked, again, compared, telling = (
        sum(getattr(day.tally, name) for day in days) for name in ("asked", "again", "compared", "telling")
    )
    stored = find_stored(world.settings, serving.bundle_id)
    (world.root / "replay").mkdir()
    return [
        f"The month took {minutes:.1f} minutes.",
        f"{asked} lists were requested, {len(lost)} requests failed"
        + (f": {'; '.join(lost)}." if lost else ".")
        + f" {again} were repeated successfully after a broken connection.",
        f"{compared} lists of similar items were compared with the bundle named in the response: all scores "
        f"were that bundle's. For {telling} of them the previous bundle would have given another list.",
        f"The slowest response took {max(day.tally.slowest_ms for day in days):.0f} ms.",
        f"{clicks['acknowledged']} clicks were acknowledged, and {kept} are in the database. "
        f"{clicks['refused']} got a 503 while it was down, {clicks['unknown']} no response.",
        f"{len(past)} deployments of {len({d.bundle_id for d in past})} bundles; "
        f"{month.name(serving.bundle_id)} is in service, {'intact' if stored else 'DAMAGED'} in the store.",
        f"MLflow's aliases of the bundle: {_aliases(world)}.",
        f"The webhook received {len(world.alerts.told)} tasks that failed after all retries: "
        f"{'; '.join(world.alerts.told)}.",
        replay(world.settings, serving.bundle_id, world.root / "replay").lines()[0],
    ]


def _aliases(world: World) -> str:
    registry = Tracker(world.settings).registry
    found = registry.aliases(registry.name_of(BUNDLE))
    return ", ".join(f"{alias} is version {version}" for alias, version in sorted(found.items()))


if __name__ == "__main__":
    main()
