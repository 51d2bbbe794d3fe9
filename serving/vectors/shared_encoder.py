"""The embedding model as a worker sees it: it lies in another process (`encoder_process`)."""

import json
import logging
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import AF_UNIX, SHUT_RDWR, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, socket
from threading import Lock
from time import monotonic, sleep

import numpy as np
from numpy.typing import NDArray

from serving.errors import EncoderUnavailableError
from serving.vectors.encoder_process import LENGTHS
from training.models.core.encoder import EncoderError, dimension_of

_LOADING_SECONDS = 180.0
_ANSWER_SECONDS = 60.0
_LOOKS_EVERY = 0.25

logger = logging.getLogger(__name__)


class SharedEncoder:
    """A TextEncoder for one thread at a time."""

    def __init__(self, model: str, address: Path, patience: float = _ANSWER_SECONDS) -> None:
        """The process is waited for only where the model's configuration does not tell its vectors' length.

        An answer may take `patience` seconds: much longer than anybody waits, as the process computes a
        question to its end even if it is asked again. Raises EncoderError where the model does not load.
        """
        self._address = address
        self._patience = patience
        self._line: _Line | None = None
        self._closed = False
        self._complained: str | None = None
        self.name = model
        self.dimension = dimension_of(model) or self._told_dimension()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, float32[n, dimension], normalised.

        Raises EncoderUnavailableError while the process is loading, gone, hung, or has another model;
        ValueError for texts that the model can't read.
        """
        length, vectors = self._ask(texts)
        if length != self.dimension:
            raise self._unfit(f"it makes {length} dimensions instead of {self.dimension}")
        self._complained = None
        return vectors

    def close(self) -> None:
        """Ask no more. A thread that waits for an answer gets EncoderUnavailableError; any may call this."""
        self._closed = True
        if (line := self._line) is not None:
            line.hang_up()

    def _told_dimension(self) -> int:
        give_up = monotonic() + _LOADING_SECONDS
        while True:
            try:
                return self._ask([])[0]
            except EncoderUnavailableError as error:
                if monotonic() > give_up:
                    raise EncoderError(self.name, "its process did not answer; the log says why") from error
                sleep(_LOOKS_EVERY)

    def _ask(self, texts: Sequence[str]) -> tuple[int, NDArray[np.float32]]:
        answer = self._exchange(json.dumps(list(texts)).encode())
        if answer[:1] != b"v":
            raise ValueError(answer[1:].decode())
        length, named = LENGTHS.unpack_from(answer, 1)
        start = 1 + LENGTHS.size
        name = answer[start : start + named].decode()
        if name != self.name:
            raise self._unfit(f"it has the model {name!r}, not {self.name!r}")
        vectors = np.frombuffer(answer, dtype=np.float32, offset=start + named)
        return length, vectors.reshape(len(texts), length)

    def _exchange(self, question: bytes) -> bytes:
        """The answer to a question. A line that was open may lead to a process that has died: then one to the
        process after it is tried."""
        while not self._closed:
            kept = self._line is not None
            try:
                if self._line is None:
                    self._line = _Line(self._address, self._patience)
                if self._closed:  # meanwhile, when there was no line to hang up yet
                    break
                return self._line.exchange(question)
            except (TimeoutError, BlockingIOError) as error:
                self._drop()
                raise EncoderUnavailableError("the embedding model does not answer") from error
            except (EOFError, ConnectionError, FileNotFoundError) as error:
                self._drop()
                if not kept:
                    raise EncoderUnavailableError("the embedding model is being loaded") from error
            except OSError as error:
                self._drop()
                raise self._unfit(f"its process can't be reached: {error}") from error
        raise EncoderUnavailableError("this worker is being stopped")

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def _unfit(self, reason: str) -> EncoderUnavailableError:
        """The error for what time does not mend: logged once, and not each time that somebody asks."""
        if reason != self._complained:
            logger.error("the embedding model's process can't be used: %s", reason)
            self._complained = reason
        return EncoderUnavailableError(reason)


class _Line:
    """A connection to the process. No read or write takes longer than `patience` seconds."""

    def __init__(self, address: Path, patience: float) -> None:
        """Raises OSError: BlockingIOError where the process lets too many wait."""
        self._patience = patience
        self._closing = Lock()
        with socket(AF_UNIX) as line:
            limit = struct.pack("ll", int(patience), int(patience % 1 * 1e6))
            for option in (SO_SNDTIMEO, SO_RCVTIMEO):
                line.setsockopt(SOL_SOCKET, option, limit)
            line.setblocking(False)
            line.connect(str(address))
            line.setblocking(True)
            self._connection: Connection[bytes, bytes] = Connection(line.detach())

    def exchange(self, question: bytes) -> bytes:
        """Raises TimeoutError, BlockingIOError: no answer in time; EOFError, OSError: the process is gone."""
        self._connection.send_bytes(question)
        if not self._connection.poll(self._patience):
            raise TimeoutError
        return self._connection.recv_bytes()

    def hang_up(self) -> None:
        """End an exchange that goes on in another thread; closing would not wake it."""
        with self._closing:
            if self._connection.closed:
                return
            with socket(fileno=os.dup(self._connection.fileno())) as line, suppress(OSError):
                line.shutdown(SHUT_RDWR)  # an error: the process has hung up before

    def close(self) -> None:
        """Give the descriptor back."""
        with self._closing:
            self._connection.close()
