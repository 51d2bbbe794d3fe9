"""Which bundle answers: follows the deployment row, swaps when the next one is ready, remembers refusals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakSet

from database.deployments import Deployment, fetch_deployment
from serving.bundle import loading as bundles
from serving.bundle.loading import Locate, PlacedBundle
from serving.catalogue.index import LiveIndex
from serving.database_pool import Lane, LiveDatabase
from serving.errors import BundleRefusedError, DatabaseUnavailableError
from serving.observe.list_metrics import list_metrics
from serving.types import Clock

logger = logging.getLogger(__name__)

_RETRY = timedelta(seconds=5)
"""Short at first: a file that is still copied, or want of memory, passes; but each retry reads it all."""
_LONGEST_RETRY = timedelta(minutes=20)

CatchUp = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class RefusedBundle:
    """A deployment that does not serve, and why."""

    deployment_id: int
    bundle_id: str
    reason: str
    refused_at: datetime
    attempts: int
    retry_at: datetime
    """It is tried again from then on: what was wrong may have been repaired."""


class Deployed:
    """The bundle in place, and the loading of the next one beside it."""

    def __init__(
        self,
        database: LiveDatabase,
        index: LiveIndex,
        locate: Locate,
        encoder: tuple[str, int],
        clock: Clock,
    ) -> None:
        """`encoder` is the name and dimension of what makes the live vectors."""
        self._database = database
        self._index = index
        self._locate = locate
        self._model, self._dimension = encoder
        self._clock = clock
        self._loading: asyncio.Task[None] | None = None
        self._wanted: int | None = None
        self._placing = 0
        self._placed: WeakSet[PlacedBundle] = WeakSet()
        self.bundle: PlacedBundle | None = None
        """What answers; None before the first bundle."""
        self.refused: dict[int, RefusedBundle] = {}

    @property
    def wanted(self) -> int | None:
        """The deployment that the database names."""
        return self._wanted

    @property
    def lacking(self) -> str:
        """Why there is no bundle, in a few words; to be asked while there is none."""
        refusal = None if self._wanted is None else self.refused.get(self._wanted)
        if refusal is not None:
            return f"bundle {refusal.bundle_id} was rejected: {refusal.reason}"
        return "no bundle is deployed yet" if self._wanted is None else "the deployed bundle is being loaded"

    async def open(self, deployment_id: int | None) -> None:
        """Load the deployed bundle; when it is refused, the one before it, and so on back."""
        self._wanted = deployment_id
        place = deployment_id
        while place is not None and self.bundle is None:
            deployment = await self._deployment(place)
            if deployment is None:
                return
            await self._take(deployment)
            place = deployment.previous_id
        if self.bundle is not None and self.bundle.loaded.deployment.deployment_id != deployment_id:
            logger.error("fell back to bundle %s; /status has the reason", self.bundle.bundle_id)

    def follow(self, deployment_id: int | None, catch_up: CatchUp) -> None:
        """Start to load the deployment if it is new; the present bundle answers until it is in place.

        `catch_up` is awaited between loading and swap, so that the new bundle does not start behind.
        """
        self._wanted = deployment_id
        busy = self._loading is not None and not self._loading.done()
        if deployment_id is None or busy or deployment_id == self._current():
            return
        refusal = self.refused.get(deployment_id)
        if refusal is not None and self._clock() < refusal.retry_at:
            return
        self._loading = asyncio.create_task(self._change(deployment_id, catch_up))

    async def load(self, deployment: Deployment) -> PlacedBundle:
        """A bundle beside the one that answers, by the catalogue's rows. Raises BundleRefusedError."""
        loaded = await bundles.load(deployment, self._locate, self._dimension, self._model)
        self._placing += 1
        try:
            placed = await bundles.place(loaded, self._index.catalogue.reserve)
        finally:
            self._placing -= 1
        self._placed.add(placed)
        return placed

    async def settle(self) -> None:
        """Wait for the loading under way, if there is one."""
        if self._loading is not None:
            await self._loading

    async def close(self) -> None:
        """Give up the loading under way."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    def _current(self) -> int | None:
        return None if self.bundle is None else self.bundle.loaded.deployment.deployment_id

    async def _change(self, deployment_id: int, catch_up: CatchUp) -> None:
        try:
            deployment = await self._deployment(deployment_id)
        except DatabaseUnavailableError:
            return  # the next request that reaches the database asks for it again
        if deployment is not None:
            await self._take(deployment, catch_up)

    async def _take(self, deployment: Deployment, catch_up: CatchUp | None = None) -> None:
        try:
            placed = await self.load(deployment)
        except BundleRefusedError as refusal:
            self._refuse(deployment, refusal.reason)
            return
        if catch_up is not None:
            await catch_up()
        self._index.rebase(placed.vector_base(), placed.watermark)
        self.bundle = placed
        if not self._placing:  # else rows are being given out that no bundle says it holds yet
            self._index.catalogue.give_back([each.rows for each in self._placed])
        self.refused.pop(deployment.deployment_id, None)
        logger.info("bundle %s is in service", placed.bundle_id)

    def _refuse(self, deployment: Deployment, reason: str) -> None:
        logger.error("bundle %s rejected: %s", deployment.bundle_id, reason)
        known = self.refused.get(deployment.deployment_id)
        if known is None:
            list_metrics().count_refused_bundle()
        attempts = 1 if known is None else known.attempts + 1
        now = self._clock()
        self.refused[deployment.deployment_id] = RefusedBundle(
            deployment.deployment_id,
            deployment.bundle_id,
            reason,
            refused_at=now,
            attempts=attempts,
            retry_at=now + min(_RETRY * 2 ** (attempts - 1), _LONGEST_RETRY),
        )

    async def _deployment(self, deployment_id: int) -> Deployment | None:
        async with self._database.connection("reading a deployment", Lane.FOLLOW) as conn:
            return await fetch_deployment(conn, deployment_id)
