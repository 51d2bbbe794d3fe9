"""`python -m benchmarks.new_shop`: a shop's first 120 nights, every refusal with its reason, and a plot."""

import logging
import os
import tempfile
from pathlib import Path

import click

from benchmarks.new_shop.nights import Night, World, play
from benchmarks.new_shop.shop import Customers, history
from benchmarks.temporary_database import temporary_database
from database.settings import Settings
from training.markdown import table

DAYS = 120
TEST_DAYS = 14
"""`split.test_days` after the change."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The table.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="The plot, as PNG.")
@click.option("--days", type=click.IntRange(2), default=DAYS, show_default=True)
@click.option("--change", type=int, help="Set split.test_days to 14 from this night on.")
@click.option("--new", type=int, default=6, show_default=True, help="New customers a day.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(*, out: Path, plot: Path | None, days: int, change: int | None, new: int, seed: int) -> None:
    """Play every night from the first day on, and write a table."""
    logging.basicConfig(level="ERROR")
    customers = Customers(new_a_day=new)
    changes = {change: {"split": {"test_days": TEST_DAYS}}} if change else {}
    played: list[Night] = []
    with tempfile.TemporaryDirectory(prefix="shortlist-new-") as folder, temporary_database() as (_, conn):
        root = Path(folder)
        os.environ["BENTOML_HOME"] = str(root / "bentoml")
        settings = Settings(home=root, workspace=root / "workspace")
        settings.workspace.mkdir()
        world = World(settings, conn, history(days, customers, seed), customers)
        for night in play(world, range(1, days + 1), changes):
            played.append(night)
            click.echo(" | ".join(str(cell) for cell in _cells(night)))
            out.write_text(story(played))
    if plot is not None:
        draw(played, plot)


def story(played: list[Night]) -> str:
    """The nights as Markdown."""
    refused = [night for night in played if not night.decision.accepted]
    leaked = sum(night.leaked for night in played)
    head = ["night", "test days", "test users", "compared with", "blend less it", "its value", "decision"]
    return (
        f"{len(played)} nights, {len(refused)} refused; in {leaked} the champion was tested on what it had "
        f"seen.\n\n{table(head, [_cells(night) for night in played])}"
    )


def draw(played: list[Night], path: Path) -> None:
    """NDCG@10 of tonight's blend and of what it was compared with, and the refused nights."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    measured = [night for night in played if night.blend.users]
    days = [night.day for night in measured]
    mine = [night.blend.reference + night.blend.difference for night in measured]
    axes.plot(days, mine, label="tonight's blend", color="#17becf")
    theirs = [night.blend.reference for night in measured]
    axes.plot(days, theirs, "--", label="compared with", color="#7f7f7f")
    refused = [night for night in measured if not night.decision.accepted]
    values = [night.blend.reference + night.blend.difference for night in refused]
    axes.plot([night.day for night in refused], values, "x", label="refused", color="#d62728")
    axes.set_xlabel("night")
    axes.set_ylabel("ndcg@10, users with a history")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _cells(night: Night) -> list[object]:
    verdict = "accepted" if night.decision.accepted else f"refused: {'; '.join(night.decision.reasons)}"
    against = night.blend.other + (f" ({night.incomparable})" if night.incomparable else "")
    return [
        night.day,
        f"{night.test_days:.1f}",
        night.warm_users,
        against,
        f"{night.blend.difference:+.4f}",
        f"{night.blend.reference:.4f}",
        verdict,
    ]


if __name__ == "__main__":
    main()
