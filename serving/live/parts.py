"""What a plane is made of."""

from dataclasses import dataclass

from serving.live.arms import Arms
from serving.live.database import LiveDatabase
from serving.live.deployed import Deployed
from serving.live.encoder import LiveEncoder
from serving.live.experiments import ExperimentBoard
from serving.live.feed import Feed
from serving.live.index import LiveIndex
from serving.live.shown import Shown
from serving.live.writes import Writes


@dataclass(frozen=True)
class Parts:
    """Put together by `LivePlane.open`."""

    database: LiveDatabase
    index: LiveIndex
    encoder: LiveEncoder
    deployed: Deployed
    feed: Feed
    writes: Writes
    experiments: ExperimentBoard
    arms: Arms
    shown: Shown
