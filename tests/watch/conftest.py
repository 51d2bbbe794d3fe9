"""The slow plane's fixtures: what is watched was learned first."""

from tests.training.conftest import checkout, deployed, tracking_uri

__all__ = ["checkout", "deployed", "tracking_uri"]
