"""What a plane is made of."""

from dataclasses import dataclass

from serving.bundle.deployed import Deployed
from serving.catalogue.event_writes import EventWrites
from serving.catalogue.feed import ChangeFeed
from serving.catalogue.index import LiveIndex
from serving.catalogue.item_writes import ItemWrites
from serving.catalogue.user_writes import UserWrites
from serving.catalogue.writes import Writes
from serving.database_pool import LiveDatabase
from serving.experiments.arms import Arms
from serving.experiments.exposure import Exposure
from serving.experiments.running import RunningExperiments
from serving.vectors.background import BackgroundVectors
from serving.vectors.encoder_thread import LiveEncoder


@dataclass(frozen=True)
class Components:
    """Put together by `LivePlane.open`."""

    database: LiveDatabase
    index: LiveIndex
    encoder: LiveEncoder
    deployed: Deployed
    feed: ChangeFeed
    writes: Writes
    item_writes: ItemWrites
    vectors: BackgroundVectors
    event_writes: EventWrites
    user_writes: UserWrites
    experiments: RunningExperiments
    arms: Arms
    exposure: Exposure
