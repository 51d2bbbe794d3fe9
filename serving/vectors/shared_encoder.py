"""The embedding model as a worker sees it: it lies in another process (`encoder_process`)."""

import json
from collections.abc import Sequence
from multiprocessing.connection import Client, Connection
from pathlib import Path
from time import monotonic, sleep

import numpy as np
from numpy.typing import NDArray

from serving.errors import EncoderUnavailable
from serving.vectors.encoder_process import LENGTH
from training.models.core.encoder import EncoderError, dimension_of

_LOADING_SECONDS = 180.0
_ANSWER_SECONDS = 10.0
_LOOKS_EVERY = 0.25


class SharedEncoder:
    """A TextEncoder for one thread at a time."""

    def __init__(self, model: str, socket: Path, patience: float = _ANSWER_SECONDS) -> None:
        """The process is waited for only where the model's configuration does not tell its vectors' length.

        An answer is waited for for `patience` seconds. Raises EncoderError where the model does not load.
        """
        self._socket = socket
        self._patience = patience
        self._connection: Connection[bytes, bytes] | None = None
        self.name = model
        self.dimension = dimension_of(model) or self._told_dimension()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, float32[n, dimension], normalised.

        Raises EncoderUnavailable while the process is loading, gone or hung; ValueError for texts that the
        model can't read.
        """
        length, vectors = self._ask(texts)
        if length != self.dimension:
            raise EncoderUnavailable(f"it makes {length} dimensions instead of {self.dimension}")
        return vectors

    def _told_dimension(self) -> int:
        give_up = monotonic() + _LOADING_SECONDS
        while True:
            try:
                return self._ask([])[0]
            except EncoderUnavailable as error:
                if monotonic() > give_up:
                    raise EncoderError(self.name, "its process did not answer; the log says why") from error
                sleep(_LOOKS_EVERY)

    def _ask(self, texts: Sequence[str]) -> tuple[int, NDArray[np.float32]]:
        question = json.dumps(list(texts)).encode()
        kept = self._connection is not None
        try:
            answer = self._exchange(question)
        except (EOFError, ConnectionError, FileNotFoundError) as error:
            if not kept:
                raise EncoderUnavailable("the embedding model is being loaded") from error
            return self._ask(texts)  # the process that the connection led to has died: there may be another
        except TimeoutError as error:
            raise EncoderUnavailable("the embedding model does not answer") from error
        if answer[:1] != b"v":
            raise ValueError(answer[1:].decode())
        (length,) = LENGTH.unpack_from(answer, 1)
        vectors = np.frombuffer(answer, dtype=np.float32, offset=1 + LENGTH.size)
        return length, vectors.reshape(len(texts), length)

    def _exchange(self, question: bytes) -> bytes:
        try:
            if self._connection is None:
                self._connection = Client(str(self._socket), "AF_UNIX")
            self._connection.send_bytes(question)
            if not self._connection.poll(self._patience):
                raise TimeoutError
            return self._connection.recv_bytes()
        except (OSError, EOFError):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise
