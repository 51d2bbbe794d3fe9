"""The peak memory and the time of each stage of a night, each in a process of its own as in Airflow."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory.log import Size, write_history
from database.settings import REPOSITORY
from training.data.workspace import Workspace
from training.params import load_params

KILOBYTE = 1024


@dataclass(frozen=True)
class Peak:
    """What one stage took."""

    rows: int
    stage: str
    peak_bytes: int
    """Largest resident set of its process."""
    seconds: float
    processor: float
    """Seconds of the processor, of all threads."""


def measure(size: Size, stages: Sequence[str], folder: Path) -> Iterator[Peak]:
    """Make a workspace in `folder`, and run the stages in it one after another.

    Raises RuntimeError when a stage failed.
    """
    workspace = Workspace(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    if not workspace.snapshot.exists():
        write_history(workspace, size, load_params(workspace.params_file).embeddings.model)
    for stage in stages:
        yield _run(stage, size, folder)


def _run(stage: str, size: Size, folder: Path) -> Peak:
    command = [sys.executable, "-m", "training.pipeline.stages", stage]
    environment = os.environ | {"SHORTLIST_WORKSPACE": str(folder), "SHORTLIST_HOME": str(folder)}
    started = time.monotonic()
    process = os.posix_spawn(sys.executable, command, environment)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"stage {stage} ended with status {status}")
    unit = 1 if sys.platform == "darwin" else KILOBYTE
    processor = usage.ru_utime + usage.ru_stime
    return Peak(size.rows, stage, usage.ru_maxrss * unit, time.monotonic() - started, processor)
