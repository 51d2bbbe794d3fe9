"""The history of a search, for people: a table, a plot, and JSON, in one folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.evaluation.intervals import Difference
from training.markdown import difference, table
from training.tuning.blend_weights import LearnedWeights
from training.tuning.search import OnTrial, SearchOutcome, Trial

WEIGHTS_FILE = "weights.json"


def save_trials(name: str, found: SearchOutcome, shipped: float, verdict: Difference, folder: Path) -> None:
    """Write trials.json, trials.md and trials.png."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "trials": [asdict(trial) for trial in found.trials],
        "shipped": shipped,
        "best_against_shipped": asdict(verdict),
    }
    (folder / "trials.json").write_text(json.dumps(content, indent=1) + "\n")
    table = f"{as_table(found)}\n{verdict_line(verdict, len(found.trials))}\n"
    (folder / "trials.md").write_text(table)
    from training.evaluation.plots import draw_search

    draw_search(name, [trial.score for trial in found.trials], shipped, folder / "trials.png")


@dataclass(frozen=True)
class WeightsSearch:
    """The latest search of the blend's weights in a workspace."""

    snapshot: str
    """DVC's hash of the snapshot that it was made on; empty in searches of 0.1.0."""
    weights: Mapping[str, float]
    """The best that it found, whether or not they are in use."""
    verdict: Mapping[str, Any] | None
    """Fields of `Difference`: those weights less the ones in use then. None if there were none."""


def save_weights(learned: LearnedWeights, folder: Path, snapshot: str, log_trial: OnTrial | None) -> None:
    """Write weights.json; where each search of weights ended is logged as a trial.

    Args:
        learned: what was found.
        folder: of the file.
        snapshot: DVC's hash of the snapshot that it was found on.
        log_trial: logs a trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {"snapshot": snapshot, **asdict(learned)}
    (folder / WEIGHTS_FILE).write_text(json.dumps(content, indent=1) + "\n")
    if log_trial is not None:
        for number, found in enumerate(learned.searches):
            log_trial(Trial(number, dict(found.weights), found.accuracy, 0.0))


def load_weights_search(folder: Path) -> WeightsSearch | None:
    """What `save_weights` wrote into the folder last; None if there was no search yet."""
    file = folder / WEIGHTS_FILE
    if not file.exists():
        return None
    content = json.loads(file.read_text())
    return WeightsSearch(content.get("snapshot", ""), content["weights"], content["verdict"])


def as_table(found: SearchOutcome) -> str:
    """The trials as a Markdown table, in order; the best one is bold."""
    keys = list(found.trials[0].values)
    rows = []
    best = float("-inf")
    for trial in found.trials:
        best = max(best, trial.score)
        score = f"**{trial.score:.4f}**" if trial is found.best else f"{trial.score:.4f}"
        values = [trial.values[key] for key in keys]
        rows.append([trial.number, score, f"{best:.4f}", *values, f"{trial.seconds:.0f}"])
    return table(["trial", "score", "best so far", *keys, "s"], rows)


def verdict_line(verdict: Difference, trials: int) -> str:
    """The best trial against the shipped values, in words."""
    return (
        f"Best minus shipped: {difference(verdict.difference, verdict.low, verdict.high)} over "
        f"{verdict.users} users, the interval widened for {trials} trials: {verdict.verdict}."
    )


def search_line(found: SearchOutcome, shipped: float, verdict: Difference, folder: Path) -> str:
    """A finished search in a few lines."""
    return (
        f"Shipped {shipped:.4f}, best {found.best.score:.4f} (trial {found.best.number} of "
        f"{len(found.trials)}, all in {folder}): {found.best.values}\n"
        f"{verdict_line(verdict, len(found.trials))}"
    )


def blend_line(learned: LearnedWeights) -> str:
    """What the blend's search found, in a few lines."""
    best = learned.best_single
    against = "" if learned.verdict is None else f"\n{verdict_line(learned.verdict, len(learned.searches))}"
    return (
        f"{best} alone {learned.single_accuracy[best]:.4f}, blend {learned.accuracy:.4f}; coverage of "
        f"each window {_numbers(learned.coverage)} with floors {_numbers(learned.floors)}: "
        f"{_weights(learned.weights)}{against}"
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _weights(weights: Mapping[str, float]) -> dict[str, Any]:
    return dict(sorted(weights.items(), key=lambda pair: -pair[1]))
