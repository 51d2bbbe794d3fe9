"""How good the models and their blend are on the last part of any history.

    python -m benchmarks.quality prepare FOLDER --load retail FILE.parquet
    SHORTLIST_WORKSPACE=FOLDER python -m training.tuning blend --write --no-track
    python -m benchmarks.quality table FOLDER
    python -m benchmarks.quality carts FOLDER

The first makes a workspace of files, by the product's own ingestion, in a database that is gone afterwards.
The last two fit models before their test, and print the tables of docs/evaluation-tables.md. They read the
prepared data only: the installation's own workspace will do.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.quality.carts import report as carts_report
from benchmarks.quality.data import make_workspace
from benchmarks.quality.lists import WITH_FALLBACK, Reordering, evaluate_all, fit_all, reorder
from benchmarks.quality.tables import (
    models_table,
    paired_table,
    pairs_table,
    parts_table,
    reordering_table,
    spread_table,
)
from database.ingest import ADAPTERS
from training.data.prepared import Prepared
from training.data.workspace import Workspace
from training.evaluation.holdout import open_holdout
from training.models.blend import BLEND, FEW_INTERACTIONS, Blend
from training.models.registry import REGISTRY
from training.params import Params, load_params

EQUAL = "blend, equal weights"
"""The models that the shop API's specification names, each with the same weight."""
ORIGINAL = ("als", "tfidf", "fpgrowth", "embeddings")
NEAR = (("als", "ease"), ("trending", "popularity"))
"""Of the best models for users with a history, and of those that serve users without one."""
RELEVANCES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(help=__doc__)
def main() -> None:
    """Make a workspace, or measure one."""


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--load",
    "files",
    type=(click.Choice(sorted(ADAPTERS)), click.Path(exists=True, dir_okay=False, path_type=Path)),
    multiple=True,
    required=True,
    help="An adapter and a file; may be repeated.",
)
@click.option("--until", type=click.DateTime(), help="Leave out what happened from then on (UTC).")
def prepare(folder: Path, files: tuple[tuple[str, Path], ...], until: datetime | None) -> None:
    """Load files into a temporary database and prepare FOLDER as a workspace."""
    prepared = make_workspace(files, until.replace(tzinfo=UTC) if until else None, folder)
    click.echo(
        f"{len(prepared.items)} items, {len(prepared.users)} users, {len(prepared.events)} events in {folder}"
    )


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--weights",
    "others",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A params.yaml whose blend.tuned is measured too; may be repeated.",
)
def table(folder: Path, others: tuple[Path, ...]) -> None:
    """Fit every model before the test of the workspace FOLDER and print how good the lists are."""
    workspace = Workspace(folder)
    params = load_params(workspace.params_file)
    blends: dict[str, Mapping[str, float]] = {BLEND: params.blend.tuned}
    blends |= {f"blend of {path}": load_params(path).blend.tuned for path in others}
    blends[EQUAL] = dict.fromkeys(ORIGINAL, 1.0)
    click.echo(report(Prepared.load(workspace.prepared), params, blends))


@main.command()
@click.argument("folder", type=_FOLDER)
def carts(folder: Path) -> None:
    """Guess the next item of the last tenth of the baskets of the workspace FOLDER."""
    workspace = Workspace(folder)
    click.echo(carts_report(Prepared.load(workspace.prepared), load_params(workspace.params_file)))


def report(prepared: Prepared, params: Params, blends: Mapping[str, Mapping[str, float]]) -> str:
    """All tables as Markdown; the first of the blends is what is compared with all others."""
    holdout = open_holdout(prepared, params.split, params.seed)
    test, k = holdout.test, params.evaluation.cutoffs[0]
    fitted = fit_all(list(REGISTRY), prepared, holdout, params)
    found = evaluate_all(fitted, blends, test, params)
    models = {name: model for name, (model, _) in fitted.items()}
    sizes = next(iter(found.values())).evaluation.users
    first, weights = next(iter(blends.items()))
    with_history = test.user_slices()["warm_users"]
    warm, baseline = test.of(with_history), found[WITH_FALLBACK].lists[with_history, :k]
    settings = [Reordering(0.0, relevance) for relevance in RELEVANCES]
    settings += [Reordering(0.0, 1.0, new_items=True), Reordering(params.blend.diverse, 1.0)]
    settings += [Reordering(params.blend.diverse, params.ranking.relevance)]
    lists = reorder(Blend(models, weights, test.new_items), models, warm, params, settings)
    return "\n".join(
        [
            f"{sizes['all']} test users, {sizes['warm_users']} with a history, {sizes['cold_users']} cold; "
            f"{len(prepared.items)} items, {holdout.learned.sum()} events to learn from.\n",
            models_table(found, params),
            parts_table(found, k),
            "Coverage and Gini of these users' lists. Of items with under "
            f"{FEW_INTERACTIONS} interactions: the share that anybody is shown, and their share of a list.\n",
            spread_table(found, k),
            f"{first} less each:\n",
            paired_table(found, first, test, params),
            "Models that are near each other:\n",
            pairs_table(found, NEAR, test, params),
            f"{first} as the home page orders it, and the simplest system, users with a history:\n",
            reordering_table(settings, lists, baseline, warm, params),
        ]
    )


if __name__ == "__main__":
    main()
