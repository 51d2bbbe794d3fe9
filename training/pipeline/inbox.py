"""The inbox: what was dropped there since the last run goes into the database, once."""

import logging

from database.connection import connect
from database.settings import Settings

logger = logging.getLogger(__name__)


def ingest_inbox(settings: Settings) -> int:
    """Ingest the files of the inbox; returns how many there were. One that fails moves to failed/."""
    from database import ingest
    from training.params.encoder import default_encoder
    from training.params.event_types import configured_event_types

    options = ingest.Options(configured_words=configured_event_types())

    settings.inbox.mkdir(parents=True, exist_ok=True)
    if not any(path.is_file() for path in settings.inbox.iterdir()):
        logger.info("The inbox %s is empty.", settings.inbox)
        return 0
    with connect(settings) as conn:
        deliveries = ingest.ingest_inbox(conn, settings.inbox, encoder=default_encoder(), options=options)
    for delivery in deliveries:
        if delivery.error is not None:
            logger.error("%s failed: %s", delivery.source.name, delivery.error)
        if delivery.report is not None:
            logger.info("%s: %s", delivery.source.name, "; ".join(delivery.report.lines()))
    return len(deliveries)
