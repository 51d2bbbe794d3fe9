"""MLflow's loader of a registered model: arrays, model.json and the item vocabulary, nothing unpickled."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.models.core.base import Model, Query
from training.models.core.vocabulary import Vocabulary
from training.models.registry import load_model

ITEMS = "items.npy"


class Predictor:
    """What `mlflow.pyfunc.load_model` gives: lists of item ids for histories of item ids."""

    def __init__(self, model: Model, items: Vocabulary) -> None:
        self.model = model
        self.items = items

    def predict(
        self, model_input: Sequence[Sequence[str]], params: Mapping[str, Any] | None = None
    ) -> list[list[str]]:
        """The best items for each history, what is in it left out; ids that the model lacks are ignored.

        Args:
            model_input: item ids of each history.
            params: `k` is how many are wanted, 10 unless given.
        """
        k = int((params or {}).get("k", 10))
        lists = []
        for history in model_input:
            known = self.items.indexes(list(history))
            items = np.unique(known[known >= 0]).astype(np.int32)
            query = Query(items, np.ones(len(items), dtype=np.float32), items)
            lists.append(list(self.items.decode(self.model.recommend(query, k)[0])))
        return lists


def _load_pyfunc(data_path: str) -> Predictor:
    """Called by MLflow with the folder of the registered files."""
    folder = Path(data_path)
    name = json.loads((folder / "model.json").read_text())["model"]
    return Predictor(load_model(name, folder), Vocabulary.load(folder / ITEMS))
