"""The root of the errors of training; each stands beside the code that raises it."""


class TrainingError(Exception):
    """Something of training can't go on; what serves stays in service."""
