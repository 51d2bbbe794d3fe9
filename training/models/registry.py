"""Every model: its name, its role, where it is used. All else of a model stands in the file of its name.

To add a model, write `training/models/NAME.py` with an `ALGORITHM`, its section of params.yaml, and its
line in `REGISTRY`. Importing this module imports no model and no library, so that dags/ may read it.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from training.models.core.base import Algorithm, Config, Model
    from training.models.core.data import TrainingData
    from training.models.core.types import Report

Role = Literal["served", "challenger", "baseline"]
"""served: the service answers from it; challenger, baseline: what the served models are compared with."""

Scope = Literal["bundle", "evaluation", "benchmark"]
"""Where a model is fitted. bundle: every night, as a part of every bundle; evaluation: every night, only to
compare with; benchmark: only in `training.tuning.benchmark` and `benchmarks.quality`."""

Source = Literal["interactions", "texts", "events"]
"""What it learns from. Files of user-item pairs hold interactions only."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of the registry."""

    name: str
    """Of its module in training.models, its section of params.yaml, its folders, its MLflow runs."""
    role: Role
    scope: Scope
    source: Source
    title: str
    """For people: what its task in Airflow says."""


REGISTRY: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("als", "served", "bundle", "interactions", "Alternating least squares"),
        ModelEntry("nmf", "served", "bundle", "interactions", "Non-negative matrix factorisation"),
        ModelEntry("tfidf", "served", "bundle", "texts", "TF-IDF neighbours"),
        ModelEntry("embeddings", "served", "bundle", "texts", "Sentence embeddings and their vector index"),
        ModelEntry("fpgrowth", "served", "bundle", "interactions", "Association rules of baskets"),
        ModelEntry("popularity", "baseline", "bundle", "interactions", "Popularity over recent days"),
        ModelEntry("itemknn", "challenger", "bundle", "interactions", "Item-kNN by shrunk cosine"),
        ModelEntry("ease", "challenger", "bundle", "interactions", "EASE, a linear item-to-item model"),
        ModelEntry("trending", "baseline", "evaluation", "events", "The platform's trending score"),
        ModelEntry("gfcf", "challenger", "benchmark", "interactions", "GF-CF, a low-pass graph filter"),
    )
}
"""name → entry, in the order of tables, plots and colours."""


def names(*, scope: Scope | None = None, role: Role | None = None) -> tuple[str, ...]:
    """Names of the models of a scope and a role (None: of any), in the registry's order."""
    return tuple(
        entry.name
        for entry in REGISTRY.values()
        if scope in (None, entry.scope) and role in (None, entry.role)
    )


def algorithm(name: str) -> "Algorithm":
    """What the model's own file says of it: config, fit, class.

    Raises KeyError when there is no such model.
    """
    found: Algorithm = import_module(f"training.models.{REGISTRY[name].name}").ALGORITHM
    return found


def fit_model(
    name: str, data: "TrainingData", config: "Config", seed: int, report: "Report | None" = None
) -> "Model":
    """Fit the model called `name`. The same data, config and seed give the same model.

    Raises KeyError when there is no such model.
    """
    return algorithm(name).fit(data, config, seed, report)


def load_model(name: str, directory: "Path") -> "Model":
    """Open the model called `name` from a directory that its `save` wrote, memory-mapped.

    Raises KeyError when there is no such model; ModelFileError when the directory does not hold it.
    """
    return algorithm(name).model.load(directory)


def sizes(model: "Model") -> dict[str, Any]:
    """Bytes of a model's arrays, and the shape of each."""
    arrays = model.arrays()
    return {
        "bytes": int(sum(array.nbytes for array in arrays.values())),
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
    }
