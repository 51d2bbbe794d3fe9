"""The process that turns texts into vectors for all workers of a machine.

A worker that loaded the model itself would start ten seconds later and take half a gigabyte more. BentoML's
supervisor starts this process beside the workers (`serving.supervision`), and again when it dies.

    python -m serving.vectors.encoder_process SOCKET PARENT

It answers on a Unix socket once the model is loaded, and ends when it is no longer a child of the process
PARENT. A question is a JSON list of texts. The answer is "v", the vectors' length and that of the model's
name in bytes as little-endian uint32, the name, and the vectors, float32[n, length]; or "e" and why there
are none.
"""

import json
import logging
import os
import struct
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from threading import Thread
from time import sleep

from database.settings import get_settings
from serving.garbage import short_collections
from serving.observe.logs import write_logs
from training.models.core.encoder import Encoder, TextEncoder
from training.params import load_params

SOCKET = "SHORTLIST_ENCODER_SOCKET"
"""Environment variable of the workers: where the process answers."""
LENGTHS = struct.Struct("<II")
"""Of a vector, and of the model's name."""

_BACKLOG = 64
_LOOKS_EVERY = 1.0

logger = logging.getLogger(__name__)


def load_encoder(model: str) -> Encoder:
    """The model, on one thread: processes are the parallelism, and share the cores. Raises EncoderError."""
    import torch

    torch.set_num_threads(1)
    return Encoder(model)


def answer(encoder: TextEncoder, question: bytes) -> bytes:
    """The answer to one question."""
    try:
        vectors = encoder.encode(json.loads(question))
    except Exception as error:  # noqa: BLE001  whoever asked is told
        return b"e" + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
    name = encoder.name.encode()
    return b"v" + LENGTHS.pack(encoder.dimension, len(name)) + name + vectors.tobytes()


def serve(encoder: TextEncoder, socket: Path) -> None:
    """Answer on a Unix socket, each connection in a thread of its own. Does not return."""
    socket.unlink(missing_ok=True)  # left behind by a process that died
    with Listener(str(socket), "AF_UNIX", backlog=_BACKLOG) as listener:
        while True:
            Thread(target=_converse, args=(listener.accept(), encoder), daemon=True).start()


def _converse(connection: "Connection[bytes, bytes]", encoder: TextEncoder) -> None:
    with connection, suppress(EOFError, OSError):  # the worker has gone
        while True:
            connection.send_bytes(answer(encoder, connection.recv_bytes()))


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOKS_EVERY)
    os._exit(0)


def main(socket: Path, parent: int) -> None:
    """Load the model that params.yaml names, and answer; `parent`, the id of the process that started this
    one, may have died by now."""
    Thread(target=_end_without, args=(parent,), daemon=True).start()
    write_logs(get_settings().log_level)
    encoder = load_encoder(load_params().embeddings.model)
    logger.info("the embedding model %s is loaded", encoder.name)
    with short_collections():
        serve(encoder, socket)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
