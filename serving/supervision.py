"""BentoML's supervisor of the workers, made to look often, and after the embedding model's process too.

It looks every ten seconds whether a worker has died, and in a container it starts none again; BentoML has no
setting for either. Its class is therefore replaced in the process that starts the workers.
"""

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.utils import circus as bentoml_circus
from circus.watcher import Watcher

from database.data_directory import LONGEST_SOCKET_PATH
from serving.lists import shared_answers
from serving.observe import metrics_folder
from serving.vectors import encoder_process

LOOKS_EVERY_SECONDS = 1.0
_FOREVER = -1
_SHORT_FOLDER = "/tmp"  # under a name that nobody can guess, for its owner alone


class Supervisor(bentoml_circus.Arbiter):  # type: ignore[misc]  # BentoML has no types
    """Starts a worker again within a second of its death, wherever it runs."""

    def __init__(self, watchers: Any, *args: Any, **kwargs: Any) -> None:
        for watcher in watchers:
            watcher.respawn = True
        socket = Path(os.environ[encoder_process.SOCKET])
        beside = [*watchers, _encoder(socket)]
        super().__init__(beside, *args, **{**kwargs, "check_delay": LOOKS_EVERY_SECONDS})
        self._folders = (socket.parent, Path(os.environ[metrics_folder.OWN]))

    def start(self, cb: Any = None) -> None:
        """Run until all processes have ended; then what they shared is of no use to anybody."""
        try:
            super().start(cb)
        finally:
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)

    def manage_watchers(self) -> Any:
        """Look after the workers; not while they are started or stopped, which circus refuses loudly."""
        return super().manage_watchers() if self._exclusive_running_command is None else None


def _encoder(socket: Path) -> Watcher:
    """Of the process that has the embedding model."""
    return Watcher(
        name="encoder",
        cmd=shlex.quote(sys.executable),
        args=["-m", encoder_process.__name__, str(socket), str(os.getpid())],
        copy_env=True,
        max_retry=_FOREVER,
        graceful_timeout=1,
    )


def watch_workers_closely() -> None:
    """Have BentoML use this supervisor. To be called before it makes its own."""
    bentoml_circus.Arbiter = Supervisor
    metrics_folder.make_own_folder(Path(BentoMLContainer.bentoml_home.get()))
    shared_answers.offer()
    os.environ[encoder_process.SOCKET] = str(new_socket(Path(tempfile.gettempdir())))


def new_socket(temporary: Path) -> Path:
    """Where a server's encoder answers: in a new private folder, in `temporary` unless that is too long."""
    name = "shortlist-12345678/encoder"
    fits = len(os.fsencode(temporary / name)) <= LONGEST_SOCKET_PATH
    return Path(tempfile.mkdtemp(prefix="shortlist-", dir=temporary if fits else _SHORT_FOLDER)) / "encoder"
