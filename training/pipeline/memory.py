"""What a night needs of memory, by the size of the history, said and judged before anything is done.

Each step is a process. What it takes is a fixed part, and bytes for each interaction, user and item, which
lie above what `python -m benchmarks.memory` measured on up to 30 million rows; and the arrays and blocks of
scores that its models are known to hold.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from database.export import Counts
from training.errors import TrainingError
from training.evaluation.ranking import AT_ONCE, BLOCKS_HELD, SCORE_BYTES
from training.models.als import AlsConfig
from training.models.core.neighbours import ENTRIES
from training.models.ease import EaseConfig
from training.models.itemknn import ItemKnnConfig
from training.models.nmf import NmfConfig
from training.params import Params

GIGABYTE = 1_000_000_000
CONTAINER = Path("/sys/fs/cgroup")
FITTED_AT_ONCE = 2
"""Models that the DAG fits side by side (`dags.defaults`)."""

PROCESS = 380_000_000
"""Libraries of a step before it has read anything."""
PART_CHECKED = 200_000_000
"""What `validate` holds of a table at a time, and Great Expectations of it."""
ROW_PREPARED, ROW_CHECKED, ROW_FITTED = 80, 30, 50
"""Bytes for each interaction in `prepare`, `validate`, and the fit and the evaluation of any model."""
USER, ITEM = 400, 2_500
"""Bytes for each user (ids, and the look-up of equal histories) and each item (ids, words, its vector of 384
dimensions)."""
ENTRY = 80
"""Bytes for each entry of a product of items while its largest are looked for."""
KEPT = 16
"""Bytes for each neighbour that is kept: the blocks, and what they are joined to."""


class MemoryShortageError(TrainingError):
    """The machine does not have what the night needs."""


@dataclass(frozen=True)
class Forecast:
    """What the steps need at their peaks, in bytes."""

    steps: dict[str, int]
    """By step; `fits` are the two largest models side by side."""

    @property
    def step(self) -> str:
        """The step that needs most."""
        return max(self.steps, key=lambda name: self.steps[name])

    @property
    def peak(self) -> int:
        """What that step needs."""
        return self.steps[self.step]


def forecast(counts: Counts, params: Params) -> Forecast:
    """What a night on so much data needs with these params."""
    rows, users, items = counts.interactions, counts.users, counts.items
    common = PROCESS + USER * users + ITEM * items
    scores = BLOCKS_HELD * min(SCORE_BYTES, AT_ONCE * 4 * params.evaluation.batch_users * items)
    any_fit = common + ROW_FITTED * rows + scores
    most, second = sorted(_of_models(counts, params).values(), reverse=True)[:FITTED_AT_ONCE]
    return Forecast(
        {
            "validate": PROCESS + PART_CHECKED + ROW_CHECKED * rows + ITEM * items,
            "prepare": common + ROW_PREPARED * rows,
            "fits": 2 * any_fit + most + second,
            # All models of the blend are read, each with its arrays of items.
            "evaluate": any_fit + ITEM * items,
        }
    )


def _of_models(counts: Counts, params: Params) -> dict[str, int]:
    """Bytes of the arrays that a fit holds beside the data, of those models that need most.

    ALS and NMF hold the users' factors once as solved and once as expanded to all users, in float32; EASE
    one dense matrix over its items, in float32; item-kNN and rules a block of a product of items. Baselines
    and challengers are fitted one after another.
    """
    users, items = counts.users, counts.items
    solved = min(items, params.section(EaseConfig).max_items)
    product = ENTRY * min(ENTRIES, items * items)
    itemknn = product + KEPT * params.section(ItemKnnConfig).neighbours * items
    return {
        "als": 4 * params.section(AlsConfig).factors * (2 * users + items),
        "nmf": 4 * params.section(NmfConfig).factors * (2 * users + items),
        "fpgrowth": product,
        "compared": max(4 * solved**2, itemknn),
    }


def available() -> int:
    """Bytes that a new process could have: of the machine, or of the container's limit where that is less."""
    return min(int(psutil.virtual_memory().available), _container_leaves())


def require(counts: Counts, params: Params, free: int) -> str:
    """Judge whether the machine has what a night needs, and say so.

    Args:
        counts: of the data to be learned from.
        params: of the night; `data_checks.max_memory_share` of what is free may be needed.
        free: bytes, from `available`.

    Raises MemoryShortageError, which says what to do, when it has not.
    """
    needed = forecast(counts, params)
    said = (
        f"{counts.interactions:,} interactions of {counts.users:,} users with {counts.items:,} items: this "
        f"needs about {needed.peak / GIGABYTE:.1f} GB of memory (step {needed.step}), and the machine has "
        f"{free / GIGABYTE:.1f} GB free."
    )
    if needed.peak > params.data_checks.max_memory_share * free:
        raise MemoryShortageError(
            f"{said} Nothing was begun, and the bundle in service stays. Use a larger machine, keep less "
            "(retention.interactions_days, als.factors, ease.max_items), or raise "
            "data_checks.max_memory_share to try it all the same."
        )
    return said


def _container_leaves() -> int:
    """Bytes that the container's limit leaves (control groups, version 2); no limit is as good as endless.

    Cached files count as used there, though the kernel drops them when asked for memory.
    """
    with suppress(OSError, ValueError, KeyError):
        limit = int((CONTAINER / "memory.max").read_text())
        used = int((CONTAINER / "memory.current").read_text())
        lines = (CONTAINER / "memory.stat").read_text().splitlines()
        cached = int(dict(line.split() for line in lines)["inactive_file"])
        return max(limit - used + cached, 0)
    return 1 << 62
