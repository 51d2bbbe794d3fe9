"""How a model lies on disk: one .npy file an array, and model.json. Nothing is pickled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

FORMAT = 1
"""Raised when the meaning of a stored array changes: older bundles are then refused."""

Arrays = dict[str, npt.NDArray[Any]]


class ModelFileError(TrainingError):
    """A stored model is missing, of another kind or of another format."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"{directory}: {reason}")
        self.directory = directory
        self.reason = reason


def write_model(directory: Path, name: str, arrays: Arrays, settings: dict[str, Any]) -> None:
    """Write a model's arrays and settings to `directory`, which is made when it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        # C order: a memory-mapped row is then one run of the file.
        np.save(directory / f"{key}.npy", np.ascontiguousarray(array), allow_pickle=False)
    head = {"model": name, "format": FORMAT, "arrays": sorted(arrays), "settings": settings}
    (directory / "model.json").write_text(json.dumps(head, indent=2, sort_keys=True) + "\n")


def read_model(directory: Path, name: str) -> tuple[Arrays, dict[str, Any]]:
    """Open a stored model: its arrays memory-mapped read-only, and its settings.

    The arrays are plain views of the maps: a slice of np.memmap itself costs ten times as much.

    Raises ModelFileError when the files are missing, or of another model or format.
    """
    try:
        head = json.loads((directory / "model.json").read_text())
        if (head["model"], head["format"]) != (name, FORMAT):
            raise ModelFileError(directory, f"holds {head['model']} of format {head['format']}, not {name}")
        arrays = {
            key: np.asarray(np.load(directory / f"{key}.npy", mmap_mode="r", allow_pickle=False))
            for key in head["arrays"]
        }
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(directory, f"cannot be read: {error}") from error
    return arrays, head["settings"]
