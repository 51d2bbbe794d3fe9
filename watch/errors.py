"""The root of the errors of this folder; each stands beside the code that raises it."""


class WatchError(Exception):
    """Something can't be watched, or is not as it should be."""
