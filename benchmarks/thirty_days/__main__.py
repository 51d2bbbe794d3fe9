"""`python -m benchmarks.thirty_days`: thirty days of a shop in minutes, with faults, told as a table.

The steps are those of the DAG daily_training, the database is PostgreSQL, the service a process of its own
with two workers, asked without pause. Days are a month of Online Retail, for a share of its customers.
"""

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from benchmarks.thirty_days.days import PLAN, Day, Month, failures
from benchmarks.thirty_days.deliveries import Retail, cut
from benchmarks.thirty_days.shoppers import Shoppers
from benchmarks.thirty_days.world import SMALL, World, open_world
from database import deployments
from database.connection import connect
from database.ingest import ADAPTERS, ingest_file
from training.bundle import find_stored
from training.replay import replay
from training.tracking import BUNDLE, Tracker

DAYS = 30

logger = logging.getLogger("benchmarks.thirty_days")


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The story.")
@click.option("--share", type=float, default=0.1, help="Share of the customers, 0..1.")
@click.option("--workers", type=int, default=2, help="Workers of the service.")
def main(out: Path, share: float, workers: int) -> None:
    """Play the month and write the story as Markdown."""
    out = out.resolve()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shortlist-month-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # PostgreSQL runs as an account of its own
        logging.basicConfig(filename=out.with_suffix(".log"), level="INFO", filemode="w")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        retail = cut(DAYS, share, pd.Timestamp.now("UTC"))
        with open_world(root, workers) as world:
            _load(world, retail)
            items = [f"{code}" for code in _items(world)]
            with Shoppers(world.address, retail.customers, items, seed=1) as shoppers:
                month = Month(world, retail, shoppers)
                first = month.first_bundle()
                click.echo(f"The first bundle serves after {time.monotonic() - started:.0f} s.")
                shoppers.take()
                days = []
                for number, day in enumerate(retail.days, start=1):
                    days.append(month.play(number, day))
                    click.echo(_row(days[-1]))
                    out.write_text(_story(days, [f"The month starts with {first}."]))
                end = _look_back(world, month, days, shoppers, time.monotonic() - started)
                out.write_text(_story(days, end, share, month))


def _load(world: World, retail: Retail) -> None:
    """The past, loaded as an operator would."""
    path = world.root / "before.parquet"
    retail.before.to_parquet(path, index=False)
    with connect(world.settings) as conn:
        ingest_file(conn, ADAPTERS["retail"], path, shift_weeks=retail.weeks)


def _items(world: World) -> list[str]:
    with connect(world.settings) as conn, conn.cursor() as cursor:
        cursor.execute("select item_id from items where title is not null order by item_id limit 500")
        return [row[0] for row in cursor.fetchall()]


def _look_back(
    world: World, month: Month, days: Sequence[Day], shoppers: Shoppers, seconds: float
) -> list[str]:
    """What must be true after the month."""
    with connect(world.settings) as conn:
        past = deployments.history(conn, 1000)
        with conn.cursor() as cursor:
            cursor.execute("select count(*) from interactions where source = 'service'")
            [(kept,)] = cursor.fetchall()
    serving = past[0]
    asked = sum(day.tally.asked for day in days)
    lost = failures(days)
    aliases = Tracker(world.settings).aliases(BUNDLE)
    named = ", ".join(f"{alias} is version {version}" for alias, version in sorted(aliases.items()))
    stored = find_stored(world.settings, serving.bundle_id)
    (world.root / "replay").mkdir()
    again = replay(world.settings, serving.bundle_id, world.root / "replay")
    return [
        f"The month took {seconds / 60:.1f} minutes.",
        f"{asked} requests for lists were made, {len(lost)} failed"
        + (f": {'; '.join(lost)}." if lost else "."),
        f"The slowest answer took {max(day.tally.slowest_ms for day in days):.0f} ms.",
        f"{shoppers.acknowledged} clicks were acknowledged, {kept} are in the database.",
        f"{len(past)} deployments of {len({d.bundle_id for d in past})} bundles; "
        f"{month.name(serving.bundle_id)} serves, {'whole' if stored else 'DAMAGED'} in the store.",
        f"MLflow's aliases of the bundle: {named}.",
        again.lines()[0],
    ]


def _story(
    days: Sequence[Day], end: Sequence[str], share: float | None = None, month: Month | None = None
) -> str:
    lines = ["# Thirty days", "", "Written by `python -m benchmarks.thirty_days`; do not edit.", ""]
    if share is not None:
        small = "; ".join(f"`{section}`: {values}" for section, values in SMALL.items())
        lines += [
            f"The last thirty days of Online Retail, for {share:.0%} of its customers, delivered day by day "
            "into the inbox; each night runs the steps of the DAG `daily_training`, each noon the drift "
            "check of the DAG `monitoring`. The service is a process with two workers, asked for lists about "
            "five times a second without pause, and clicked 20 times on every day with sales. Params are "
            f"smaller than the shipped ones, for speed: {small}. A training takes seconds here because the "
            "data is small; the faults are real: half a Parquet file, SIGKILL, a wrong hyperparameter.",
            "",
            f"Planted: {'; '.join(f'day {number}: {fault.value}' for number, fault in PLAN.items())}.",
            "",
        ]
    lines += ["| day | date | inbox | ran | what came of it | serves | answered | failed |", "|" + "---|" * 8]
    lines += [_row(day) for day in days]
    lines += ["", "## After it", "", *(f"- {line}" for line in end), ""]
    if month is not None:
        lines += ["## The bundles", "", *(f"- {name}: `{id_}`" for id_, name in month.names.items()), ""]
    return "\n".join(lines)


def _row(day: Day) -> str:
    outcome = "; ".join(day.outcome).replace("|", "/").replace("\n", " ")
    answered = day.tally.asked - len(day.tally.failures)
    return (
        f"| {day.number} | {day.date:%a %Y-%m-%d} | {day.inbox} | {day.ran} | {outcome} "
        f"| {day.serves} | {answered} | {len(day.tally.failures)} |"
    )


if __name__ == "__main__":
    main()
