"""Experiments on live traffic: who is in which arm, exploration with known propensities, and shadow arms.

A worker learns of experiments that start and stop by asking every few seconds, so workers may disagree for
that long; an impression carries the arm that made it, so no list is counted for another.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import asyncpg

from database.experiments import Arm, Experiment, Kind, running_experiments
from serving.database_errors import NOT_DONE

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a user's list is made with: the deployed bundle and blend, unless an arm says otherwise."""

    experiment_id: str | None = None
    arm: Arm | None = None
    shadow_id: str | None = None
    shadow: Arm | None = None
    """To be computed as well and logged, not shown."""
    held: bool = False
    """Whether the arm is a holdback's, which everybody is in: their lists are logged as without it."""

    @property
    def in_full(self) -> bool:
        """Whether all the user's lists are logged: arms and shadows are compared user by user."""
        return self.shadow is not None or (self.arm is not None and not self.held)


NO_EXPERIMENT = Assignment()

_FIRST: tuple[Kind, ...] = ("ab", "shadow", "holdback")
"""Whose arm a user is in, of the kinds that run."""


def bucket(experiment_id: str, user_id: str) -> float:
    """Where a user falls in [0, 1) in an experiment: always the same, and unrelated between experiments."""
    digest = sha256(f"{experiment_id}\n{user_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def assign(running: Sequence[Experiment], user_id: str | None) -> Assignment:
    """A user's arm in the running experiments; someone without an id is in none.

    Of an A/B test, else of the shadow test, else of the holdback.
    """
    if not running or user_id is None:
        return NO_EXPERIMENT
    split: tuple[str, Arm] | None = None
    shadow: tuple[str, Arm] | None = None
    held = False
    for experiment in sorted(running, key=lambda each: _FIRST.index(each.kind)):
        place = bucket(experiment.experiment_id, user_id)
        if experiment.kind != "shadow":
            held = split is None and experiment.kind == "holdback"
            split = split or (experiment.experiment_id, _arm_at(experiment.arms, place))
        elif place < experiment.arms[1].share:
            shadow = (experiment.experiment_id, experiment.arms[1])
            split = split or (experiment.experiment_id, experiment.arms[0])
    experiment_id, arm = split or (None, None)
    shadow_id, unseen = shadow or (None, None)
    return Assignment(experiment_id, arm, shadow_id, unseen, held)


class RunningExperiments:
    """What runs now, as this worker last heard. `assign` neither waits nor fails."""

    def __init__(self, pool: asyncpg.Pool, poll_seconds: float) -> None:
        self._pool = pool
        self._poll_seconds = poll_seconds
        self._task: asyncio.Task[None] | None = None
        self.running: tuple[Experiment, ...] = ()

    async def open(self) -> None:
        """Learn what runs, and keep asking until `close`. Raises when the database does not answer."""
        await self.refresh()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def refresh(self) -> None:
        """Ask the database now."""
        async with self._pool.acquire() as conn:
            self.running = tuple(await running_experiments(conn))

    def assign(self, user_id: str | None) -> Assignment:
        """The arm of a user."""
        return assign(self.running, user_id)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.refresh()
            except NOT_DONE as error:
                logger.warning("experiments not refreshed, the database is unavailable: %s", error)


class Shadows:
    """Computes shadow lists after the request they belong to was answered; so many at once, no more."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self.skipped = 0

    def submit(self, compute: Callable[[], Awaitable[None]]) -> bool:
        """Start computing, unless too many already are: then the list is skipped and counted."""
        if len(self._tasks) >= self._at_once:
            self.skipped += 1
            return False
        task = asyncio.create_task(self._run(compute))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """Wait for those under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    @staticmethod
    async def _run(compute: Callable[[], Awaitable[None]]) -> None:
        try:
            await compute()
        except Exception:  # the boundary of a task nobody waits for: a shadow arm may be broken
            logger.exception("a shadow arm failed; shown lists are not affected")


def _arm_at(arms: Sequence[Arm], place: float) -> Arm:
    reached = 0.0
    for arm in arms:
        reached += arm.share
        if place < reached:
            return arm
    return arms[-1]
