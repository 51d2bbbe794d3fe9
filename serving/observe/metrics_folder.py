"""Where the workers of one server keep their metrics: a folder of this server's own.

BentoML empties `BENTOML_HOME/prometheus_multiproc_dir` at each start; replicas that share the store would
delete each other's metrics. The workers of a server have the same parent, which tells servers apart.

The files are written through memory maps: on a full disk that ends the process (SIGBUS), at each start anew.
The folder lies where there is room.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_ROOM = 32 * 2**20
"""Bytes that are enough for the metrics of many workers."""


def use_own_folder() -> None:
    """Point Prometheus' client, before its first use, to this server's folder if there are several workers.

    A worker that is started again finds the folder of those before it; a new server has a new one.
    """
    if VARIABLE not in os.environ:
        return
    parent = psutil.Process(os.getppid())
    name = f"shortlist-metrics-{os.getuid()}-{parent.pid}-{int(1000 * parent.create_time())}"
    folder = with_room(_candidates()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[VARIABLE] = str(folder)


def with_room(folders: Sequence[Path], free: Callable[[Path], int] | None = None) -> Path:
    """The first folder with room for the metrics, by the bytes that are `free` there; else the emptiest."""
    measure = free or _free
    return next((folder for folder in folders if measure(folder) >= _ROOM), max(folders, key=measure))


def _candidates() -> list[Path]:
    """Folders that may be written to, the usual one first; on file systems of their own as a rule."""
    try:
        usual = [Path(tempfile.gettempdir())]
    except FileNotFoundError:  # no temporary folder has room for a few bytes
        usual = []
    others = [Path("/dev/shm"), Path(os.environ[VARIABLE]).parent]
    return usual + [folder for folder in others if os.access(folder, os.W_OK)]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
