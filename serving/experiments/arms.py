"""What the arms of running experiments are made of: other bundles beside the deployed one, other blends."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from database.deployments import Deployment
from database.experiments import Arm, Experiment
from serving.bundle.deployed import Deployed
from serving.bundle.loading import PlacedBundle
from serving.errors import BundleRefusedError
from serving.experiments.running import Assignment
from serving.types import Clock
from training.params import Params
from training.params.changes import rename_old_keys

logger = logging.getLogger(__name__)

_RETRY = timedelta(minutes=1)

ORIGINAL_WEIGHTS = dict.fromkeys(("als", "tfidf", "fpgrowth", "embeddings"), 1.0)
"""The shop API names what speaks for a clicked item, and no weights among it."""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What one list is made with."""

    bundle: PlacedBundle | None
    params: Params
    experiment_id: str | None = None
    arm: str | None = None
    epsilon: float = 0.0
    weighs: bool = False
    """Whether the arm brings weights of its own for the models, in place of its bundle's."""

    @property
    def model_weights(self) -> Mapping[str, float]:
        """Weights of the models in home's blend, by their names in params.yaml.

        The bundle's; without a bundle, or when an experiment's arm brings its own, those of the params.
        """
        if self.params.blend.weights == "original":
            return ORIGINAL_WEIGHTS
        if self.bundle is None or self.weighs:
            return self.params.blend.tuned
        return self.bundle.loaded.weights

    @property
    def bundle_id(self) -> str:
        """Its bundle; "none" without one."""
        return "none" if self.bundle is None else self.bundle.bundle_id


@dataclass(frozen=True, slots=True)
class RefusedArm:
    """A bundle that an arm names and that does not serve, and why."""

    bundle_id: str
    reason: str
    refused_at: datetime

    @property
    def retry_at(self) -> datetime:
        """It is tried again from then on."""
        return self.refused_at + _RETRY


class Arms:
    """Bundles that arms name, loaded while their experiment runs; the blends of arms, checked once."""

    def __init__(self, deployed: Deployed, params: Params, clock: Clock) -> None:
        self._deployed = deployed
        self._params = params
        self._clock = clock
        self._bundles: dict[str, PlacedBundle] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self.refused: dict[str, RefusedArm] = {}
        """Bundles of running experiments that can't serve, by id; `/status` tells them."""
        self._blends: dict[tuple[str, str], Params | None] = {}

    def policy(self, assignment: Assignment) -> Policy:
        """What a user's list is made with.

        While an arm's bundle is not here its users get the deployed one, and are not counted for the arm.
        """
        chosen = self._arm_policy(assignment.experiment_id, assignment.arm)
        return chosen or Policy(self._deployed.bundle, self._params)

    def shadow_policy(self, assignment: Assignment) -> Policy | None:
        """What is to be computed unseen; None without a shadow, and while its bundle is not here."""
        return self._arm_policy(assignment.shadow_id, assignment.shadow)

    def bundles(self) -> set[PlacedBundle | None]:
        """The bundles that lists are made with: the deployed one (None before the first) and the arms'."""
        return {self._deployed.bundle, *self._bundles.values()}

    def follow(self, running: Iterable[Experiment]) -> None:
        """Start to load what running experiments name and is not here; let go of what none names."""
        arms = {arm.bundle_id: arm for each in running for arm in each.arms if arm.bundle_id}
        for bundle_id in self._bundles.keys() - arms.keys():
            del self._bundles[bundle_id]
        self.refused = {name: each for name, each in self.refused.items() if name in arms}
        self._loading = {name: task for name, task in self._loading.items() if not task.done()}
        for bundle_id, arm in arms.items():
            refused = self.refused.get(bundle_id)
            waits = bundle_id in self._loading or (refused is not None and self._clock() < refused.retry_at)
            if not waits and bundle_id not in self._bundles and not self._is_deployed(bundle_id):
                task = asyncio.create_task(self._take(bundle_id, arm.bundle_tag or ""))
                self._loading[bundle_id] = task

    async def settle(self) -> None:
        """Wait for the loading under way."""
        if self._loading:
            await asyncio.wait(list(self._loading.values()))

    async def close(self) -> None:
        """Give up the loading under way."""
        for task in self._loading.values():
            task.cancel()
        await self.settle()

    def _arm_policy(self, experiment_id: str | None, arm: Arm | None) -> Policy | None:
        if experiment_id is None or arm is None:
            return None
        params = self._blend(experiment_id, arm)
        placed = self._deployed.bundle
        if arm.bundle_id is not None and not self._is_deployed(arm.bundle_id):
            placed = self._bundles.get(arm.bundle_id)
            if placed is None:
                return None
        if params is None:
            return None
        weighs = "tuned" in (arm.blend or {})
        return Policy(placed, params, experiment_id, arm.name, arm.epsilon, weighs)

    def _is_deployed(self, bundle_id: str) -> bool:
        placed = self._deployed.bundle
        return placed is not None and placed.bundle_id == bundle_id

    def _blend(self, experiment_id: str, arm: Arm) -> Params | None:
        """The params with an arm's blend; None when this version of the service can't read it."""
        if not arm.blend:
            return self._params
        key = (experiment_id, arm.name)
        if key not in self._blends:
            try:
                asked = rename_old_keys({"blend": arm.blend})["blend"]
                # An arm that brings weights of its own is to be made with them.
                weights = {"weights": "tuned"} if "tuned" in asked else {}
                blend = self._params.blend.changed(weights | asked)
                self._blends[key] = self._params.model_copy(update={"blend": blend})
            except ValueError as error:
                logger.error(
                    "arm %s of experiment %s has an invalid blend: %s", arm.name, experiment_id, error
                )
                self._blends[key] = None
        return self._blends[key]

    async def _take(self, bundle_id: str, tag: str) -> None:
        reason = "an experiment's arm"
        wanted = Deployment(0, bundle_id, tag, {}, reason, self._clock(), None)
        try:
            self._bundles[bundle_id] = await self._deployed.load(wanted)
        except BundleRefusedError as refusal:
            logger.error("%s (%s); its users keep the deployed bundle", refusal, reason)
            self.refused[bundle_id] = RefusedArm(bundle_id, refusal.reason, self._clock())
            return
        self.refused.pop(bundle_id, None)
        logger.info("bundle %s loaded for an experiment", bundle_id)
