"""The slow plane's fixtures: what is watched was learned first."""

from tests.training.conftest import checkout, deployed, one_commit, tracking_uri

__all__ = ["checkout", "deployed", "one_commit", "tracking_uri"]
