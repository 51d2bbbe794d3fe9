"""MLflow's loader of a registered model or bundle: arrays, JSON and the item vocabulary, nothing unpickled.

A registered version holds a copy of this module and of `training.models`, so that it loads without the
checkout: what stands here imports nothing else of Shortlist.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.models.blend import FEW_INTERACTIONS, combine, weights_by_model
from training.models.bundle import MANIFEST, load_bundle
from training.models.core.base import Query, exclude, top_k
from training.models.core.types import FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.popularity import Popularity
from training.models.registry import load_model

ITEMS = "items.npy"
HISTORY = "history"
"""Column of the input: item ids of each history."""


class Scorer(Protocol):
    """What has an opinion of all items for a history: a model, or a bundle's blend."""

    def scores(self, query: Query) -> FloatArray:
        """float32[n_items]; 0 is no opinion."""
        ...


class BundleBlend:
    """The models of a bundle as the service weighs them, without what the service knows of the moment."""

    def __init__(self, folder: Path) -> None:
        """Open a bundle. Raises BundleError when its files are not those of its manifest."""
        bundle = load_bundle(folder)
        few_users = bundle.model(Popularity).all_time < FEW_INTERACTIONS
        weights = weights_by_model(bundle.manifest.params["blend"]["tuned"], few_users)
        self.items = bundle.items
        self.parts = [(bundle.models[name], weight) for name, weight in weights.items()]

    def scores(self, query: Query) -> FloatArray:
        """float32[n_items]."""
        return combine((model.scores(query), weight) for model, weight in self.parts)


class Predictor:
    """What `mlflow.pyfunc.load_model` gives: lists of item ids for histories of item ids."""

    def __init__(self, model: Scorer, items: Vocabulary) -> None:
        self.model = model
        self.items = items

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[list[str]]:
        """The best items for each history, what is in it left out; ids that the model lacks are ignored.

        Args:
            model_input: a DataFrame whose column `history` has the item ids of each history, or, for versions
                that were registered without a signature, a list of them.
            params: `k` is how many are wanted, 10 unless given.
        """
        k = int((params or {}).get("k", 10))
        histories: Sequence[Sequence[str]] = (
            model_input if isinstance(model_input, list) else model_input[HISTORY].tolist()
        )
        lists = []
        for history in histories:
            known = self.items.indexes([str(item) for item in history])
            items = np.unique(known[known >= 0]).astype(np.int32)
            query = Query(items, np.ones(len(items), dtype=np.float32), items)
            best, _ = top_k(exclude(self.model.scores(query), query.exclude), k)
            lists.append(list(self.items.decode(best)))
        return lists


def _load_pyfunc(data_path: str) -> Predictor:
    """Called by MLflow with the folder of the registered files."""
    folder = Path(data_path)
    if (folder / MANIFEST).exists():
        blend = BundleBlend(folder)
        return Predictor(blend, blend.items)
    name = json.loads((folder / "model.json").read_text())["model"]
    return Predictor(load_model(name, folder), Vocabulary.load(folder / ITEMS))
