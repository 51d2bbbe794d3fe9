"""The folder that one learning run works in: where every file of the slow plane lies."""

import fcntl
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from database.settings import REPOSITORY, Settings
from training.errors import TrainingError

logger = logging.getLogger(__name__)

NEEDED = ("params.yaml", "dvc.yaml", "data_checks", "database", "training")
"""What a workspace holds before anything was learned: DVC's stages name them."""

DVC_CONFIG = Path(".dvc", "config")
LOCK = "requirements.txt"
"""The lock of packages, which the stages depend on too."""


class WorkspaceBusyError(TrainingError):
    """Another run works in the workspace."""


@dataclass(frozen=True)
class Workspace:
    """A checkout with params.yaml and dvc.yaml at its root; everything learned lies under `data/`."""

    root: Path

    @property
    def params_file(self) -> Path:
        """The hyperparameters."""
        return self.root / "params.yaml"

    @property
    def frozen_params(self) -> Path:
        """The copy of params.yaml that the snapshot is learned with."""
        return self.data / "params.yaml"

    @property
    def owner(self) -> Path:
        """Text file with the id of the scheduled run whose snapshot the workspace holds."""
        return self.data / "run.txt"

    @property
    def data(self) -> Path:
        """All of what DVC tracks."""
        return self.root / "data"

    @property
    def snapshot(self) -> Path:
        """Parquet export of the database, and snapshot.json."""
        return self.data / "snapshot"

    @property
    def snapshot_pointer(self) -> Path:
        """DVC's pointer to the snapshot: its MD5."""
        return self.data / "snapshot.dvc"

    @property
    def validation(self) -> Path:
        """What the data checks found: result.json, and Data Docs in docs/."""
        return self.data / "validation"

    @property
    def prepared(self) -> Path:
        """Vocabularies and split matrices."""
        return self.data / "prepared"

    @property
    def models(self) -> Path:
        """Models to serve, fitted on the whole snapshot: one folder each."""
        return self.data / "models"

    @property
    def candidates(self) -> Path:
        """The same models fitted on the training part only: what is evaluated."""
        return self.data / "candidates"

    @property
    def evaluation(self) -> Path:
        """Metrics as JSON, and their values per user as arrays."""
        return self.data / "evaluation"

    @property
    def bundle(self) -> Path:
        """The assembled bundle."""
        return self.data / "bundle"

    @property
    def tracking(self) -> Path:
        """Which MLflow run and version each model of the snapshot got."""
        return self.data / "tracking"

    @property
    def gate(self) -> Path:
        """The latest decision of the gate: decision.json."""
        return self.data / "gate"


def open_workspace(settings: Settings) -> Workspace:
    """The installation's workspace; where it has no settings of DVC or no lock, it gets the checkout's.

    Raises FileNotFoundError when the folder lacks params.yaml or dvc.yaml.
    """
    workspace = Workspace(settings.workspace.resolve())
    check_holds(workspace.root, NEEDED[:2])
    for name in (DVC_CONFIG, LOCK):
        file = workspace.root / name
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            shutil.copyfile(REPOSITORY / name, file)
    return workspace


def check_holds(root: Path, names: Sequence[str] = NEEDED) -> None:
    """Refuse a folder that lacks something a workspace needs.

    Raises FileNotFoundError, which says what is missing and where to take it from.
    """
    lacking = [name for name in names if not (root / name).exists()]
    if lacking:
        raise FileNotFoundError(
            f"{root} has no {' and no '.join(lacking)}; SHORTLIST_WORKSPACE must be a checkout, "
            f"or a folder with copies from {REPOSITORY}"
        )


@contextmanager
def locked(workspace: Workspace, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the workspace's lock for a block; it is released when the process ends, however it ends.

    Args:
        workspace: on a file system whose locks all of its hosts see.
        shared: side by side with others who share it.
        wait: until it is free.

    Raises WorkspaceBusyError when it is taken, and `wait` is false.
    """
    folder = workspace.root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with (folder / "shortlist.lock").open("w") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise WorkspaceBusyError(f"Another run is using {workspace.root}.") from error
            logger.info("Another run is using %s; waiting.", workspace.root)
            fcntl.flock(lock, how)
        yield


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block succeeds.

    A run that fails leaves the old content and nothing else, as the disk may be full; readers that mapped the
    old files keep them.
    """
    draft = folder.with_name(f".{folder.name}.draft")
    old = folder.with_name(f".{folder.name}.old")
    for path in (draft, old):
        shutil.rmtree(path, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
