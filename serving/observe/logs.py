"""The service's own messages, from the level of the settings on; BentoML configures its own alone."""

import logging

PACKAGES = ("serving", "database", "training", "experiments")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def write_logs(level: str) -> None:
    """Write the messages of our packages to stderr; those of libraries keep the levels they have."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.handlers = [handler]
        logger.propagate = False
