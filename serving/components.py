"""What a plane is made of, and how that is put together."""

import os
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from database.settings import REPOSITORY
from serving.bundle.deployed import Deployed
from serving.bundle.loading import Locate
from serving.catalogue.background_vectors import BackgroundVectors
from serving.catalogue.event_writes import EventWrites
from serving.catalogue.feed import ChangeFeed
from serving.catalogue.index import LiveIndex
from serving.catalogue.item_writes import ItemWrites
from serving.catalogue.user_writes import UserWrites
from serving.catalogue.writes import Writes
from serving.database_pool import LiveDatabase
from serving.experiments.arms import Arms
from serving.experiments.exposure import Exposure
from serving.experiments.impression_log import ImpressionLog
from serving.experiments.running import RunningExperiments
from serving.lists.shared_answers import OFFERED, SharedAnswers
from serving.text.synonyms import Synonyms
from serving.types import Clock
from serving.vectors.encoder_process import SOCKET, load_encoder
from serving.vectors.encoder_thread import LiveEncoder
from serving.vectors.shared_encoder import SharedEncoder
from training.models.core.encoder import TextEncoder
from training.params import Params


@dataclass(frozen=True)
class Components:
    """One of each, for one worker."""

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
    shared_answers: SharedAnswers


def assemble(
    pool: asyncpg.Pool,
    params: Params,
    model: TextEncoder,
    locate: Locate,
    clock: Clock,
    *,
    shared_answers: SharedAnswers,
) -> Components:
    """The components, not yet opened."""
    database = LiveDatabase(pool)
    made_by = (model.name, model.dimension)
    synonyms = Synonyms(REPOSITORY / Path(params.search.synonyms))
    index = LiveIndex(model.name, model.dimension, synonyms, params.search)
    deployed = Deployed(database, index, locate, made_by, clock)
    encoder = LiveEncoder(model)
    feed = ChangeFeed(database, index, deployed)
    return Components(
        database=database,
        index=index,
        encoder=encoder,
        deployed=deployed,
        feed=feed,
        writes=Writes(database, encoder),
        item_writes=ItemWrites(database, encoder),
        vectors=BackgroundVectors(database, encoder, index, feed),
        event_writes=EventWrites(database, params.event_types),
        user_writes=UserWrites(database),
        experiments=RunningExperiments(pool, params.experiments.poll_seconds),
        arms=Arms(deployed, params, clock),
        exposure=Exposure(ImpressionLog(pool, params.impressions), params, clock),
        shared_answers=shared_answers,
    )


def reach_encoder(params: Params) -> TextEncoder:
    """The embedding model in its process; in this one where nobody started another."""
    socket = os.environ.get(SOCKET)
    model = params.embeddings.model
    return load_encoder(model) if socket is None else SharedEncoder(model, Path(socket))


def reach_shared_answers() -> SharedAnswers:
    """What this server's workers share of their answers; nothing where nobody offered it."""
    return SharedAnswers(os.environ.get(OFFERED))
