"""MLflow's loader of a registered model: arrays and model.json, nothing unpickled."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.models.base import Model, Query
from training.models.registry import load_model


class Predictor:
    """What `mlflow.pyfunc.load_model` gives: lists for histories of item indexes."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(
        self, model_input: Sequence[Sequence[int]], params: Mapping[str, Any] | None = None
    ) -> list[list[int]]:
        """The best items (indexes) for each history; `params["k"]` is how many, 10 unless given."""
        k = int((params or {}).get("k", 10))
        answers = []
        for history in model_input:
            items = np.unique(np.asarray(history, dtype=np.int32))
            query = Query(items, np.ones(len(items), dtype=np.float32), items)
            answers.append(self.model.recommend(query, k)[0].tolist())
        return answers


def _load_pyfunc(data_path: str) -> Predictor:
    """Called by MLflow with the folder of the registered files."""
    folder = Path(data_path)
    name = json.loads((folder / "model.json").read_text())["model"]
    return Predictor(load_model(name, folder))
