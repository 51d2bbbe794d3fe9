"""Where the workers of one server keep their metrics: a folder of this server's own.

BentoML empties `BENTOML_HOME/prometheus_multiproc_dir` at each start; replicas that share the store would
delete each other's metrics. The supervisor makes a folder, tells its workers which, and deletes it at its
end.

The files are written through memory maps: on a full disk that ends the process (SIGBUS), at each start anew.
The folder lies where there is room.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
OWN = "SHORTLIST_METRICS_FOLDER"
"""Environment variable of the workers: where they keep their metrics."""

_ROOM = 32 * 2**20
"""Bytes that are enough for the metrics of many workers."""


def make_own_folder(store: Path) -> Path:
    """Make this server's folder, where there is room: in the folder `store` if need be.

    For the supervisor, whose workers inherit the environment variable OWN.
    """
    folder = Path(tempfile.mkdtemp(prefix="shortlist-metrics-", dir=with_room(_candidates(store))))
    os.environ[OWN] = str(folder)
    return folder


def use_own_folder() -> None:
    """Point Prometheus' client, before its first use, to this server's folder if it has several workers."""
    if VARIABLE not in os.environ or OWN not in os.environ:
        return
    folder = Path(os.environ[OWN])
    folder.mkdir(mode=0o700, exist_ok=True)  # somebody may have cleared the temporary files
    os.environ[VARIABLE] = str(folder)


def with_room(folders: Sequence[Path], free: Callable[[Path], int] | None = None) -> Path:
    """The first folder with room for the metrics, by the bytes that are `free` there; else the emptiest."""
    measure = free or _free
    return next((folder for folder in folders if measure(folder) >= _ROOM), max(folders, key=measure))


def _candidates(store: Path) -> list[Path]:
    """Folders that may be written to, the usual one first; on file systems of their own as a rule."""
    try:
        usual = [Path(tempfile.gettempdir())]
    except FileNotFoundError:  # no temporary folder has room for a few bytes
        usual = []
    others = [Path("/dev/shm"), store]
    return usual + [folder for folder in others if os.access(folder, os.W_OK)]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
