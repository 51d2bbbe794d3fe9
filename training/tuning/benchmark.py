"""Fit one model on a train file and evaluate it on a test file: `python -m training.tuning.benchmark`.

What is tuned, is tuned on a validation part that is cut from the train file alone.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from database.command_line import errors_as_messages
from training.errors import TrainingError
from training.models.blend import BLEND
from training.params import load_params
from training.tuning.file_benchmark import MODELS, FileBenchmark, report
from training.tuning.pairs_file import Pairs, PairsFileError, read_pairs
from training.tuning.search import Budget
from training.tuning.train_test import open_problem

NAMED_LINES = 20
"""Bad lines that are named one by one; the others are counted."""


def as_table(name: str, found: Mapping[str, Any], k: int) -> str:
    """The report as text: one row a model, then what it was made of."""
    columns = ("model", f"Recall@{k}", f"NDCG@{k}", "users", "fit s", "peak MB")
    recall, ndcg = found[f"recall@{k}"], found[f"ndcg@{k}"]
    cells = (
        name,
        f"{recall['value']:.4f} [{recall['low']:.4f}, {recall['high']:.4f}]",
        f"{ndcg['value']:.4f} [{ndcg['low']:.4f}, {ndcg['high']:.4f}]",
        str(found["users"]),
        f"{found['fit_seconds']:.1f}",
        f"{found['peak_memory_mb']:.0f}",
    )
    widths = [max(len(head), len(cell)) for head, cell in zip(columns, cells, strict=True)]
    rows = [
        "  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, cells)
    ]
    notes = [
        f"{found['trials']} trial{'s' if found['trials'] > 1 else ''} in {found['tuning_seconds']:.0f} s."
        if found["trials"]
        else "Not tuned."
    ]
    if found["budget_seconds"] is not None:
        kept = "within" if found["seconds"] <= found["budget_seconds"] else "more than"
        notes.append(f"{found['seconds']:.0f} s in all, {kept} the {found['budget_seconds']:g} s given.")
    notes.append(f"Values: {json.dumps(found['values'])}")
    return "\n".join([*rows, *notes])


def _read(path: Path, min_rating: float | None, strict: bool) -> tuple[Pairs, dict[str, int]]:
    pairs = read_pairs(path)
    for bad in pairs.bad[:NAMED_LINES]:
        click.echo(f"{path}, line {bad.number}: {bad.reason}", err=True)
    if len(pairs.bad) > NAMED_LINES:
        click.echo(f"{path}: {len(pairs.bad) - NAMED_LINES} more bad lines", err=True)
    if strict and pairs.bad:
        raise PairsFileError(path, f"{len(pairs.bad)} bad lines")
    if min_rating is not None and pairs.ratings is not None:
        pairs = pairs.where(pairs.ratings >= min_rating)
        if not len(pairs):
            raise PairsFileError(path, f"no rating is {min_rating} or more")
    return pairs, {"bad_lines": len(pairs.bad), "users_without_items": pairs.empty_users}


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark:
            raise click.BadParameter(f"{pair!r} is not key=value", param_hint="--set")
        found[key] = value
    return found


@click.command()
@click.option(
    "--train", "train_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True
)
@click.option(
    "--test", "test_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True
)
@click.option("--model", "name", type=click.Choice(MODELS), required=True)
@click.option("--tune", is_flag=True, help="Tune hyperparameters on part of the train file.")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials (per model, for blend).")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit of the whole command."
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Override a value of params.yaml.")
@click.option("--k", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--min-rating", type=float, help="Ignore rows rated lower; by default all rows count.")
@click.option("--strict", is_flag=True, help="Reject files with bad lines instead of skipping them.")
@click.option("--seed", type=int, help="Override the seed of params.yaml.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file."
)
@errors_as_messages(TrainingError, ValidationError)
def main(
    *,
    train_file: Path,
    test_file: Path,
    name: str,
    tune: bool,
    trials: int | None,
    minutes: float | None,
    changes: tuple[str, ...],
    k: int,
    min_rating: float | None,
    strict: bool,
    seed: int | None,
    output: Path | None,
) -> None:
    """Fit a model on a train file, rank all items for the test file's users, print how good the lists are.

    Files hold LightGCN's lines (a user, then that user's items) or rows user,item[,rating[,time]]. Bad
    lines are named on stderr, left out and counted. The JSON follows the table, or goes to a file.
    """
    begun = time.monotonic()
    logging.basicConfig(
        level="INFO", stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if (trials or minutes) and not tune:
        raise click.UsageError("--trials and --minutes need --tune")
    if tune and not (trials or minutes):
        raise click.UsageError("--tune needs --trials or --minutes")
    if changes and name == BLEND:
        raise click.UsageError("--set works for single models only")
    params = load_params()
    if seed is not None:
        params = params.model_copy(update={"seed": seed})
    train, train_counts = _read(train_file, min_rating, strict)
    test, test_counts = _read(test_file, min_rating, strict)
    problem = open_problem(train, test)
    if not problem.truth.nnz:
        raise PairsFileError(test_file, "all test pairs are also in the train file")
    budget = Budget(trials, minutes * 60.0 if minutes else None) if tune else None
    fitted = FileBenchmark(problem, params, k, budget, begun).fit(name, _settings(changes))
    found = report(fitted, problem, k, params.evaluation, params.seed)
    found |= {"model": name, "seed": params.seed, "train_file": train_counts, "test_file": test_counts}
    found["seconds"] = round(time.monotonic() - begun, 3)
    found["budget_seconds"] = minutes * 60.0 if minutes else None
    click.echo(as_table(name, found, k))
    text = json.dumps(found, indent=1, sort_keys=True)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n")


if __name__ == "__main__":
    main()
