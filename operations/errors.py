"""Errors of the operations room: what went wrong, and what mends it."""


class OperationsError(Exception):
    """The platform can't start, run or stop; shown to the operator as one line.

    Attributes:
        cause: what is wrong, with the value at fault.
        mend: what the operator can do about it.
    """

    def __init__(self, cause: str, mend: str) -> None:
        self.cause = cause.rstrip(".")
        super().__init__(f"{self.cause}. {mend}")
        self.mend = mend


class PreflightError(OperationsError):
    """Something outside the platform is in the way; nothing was started."""


class SupervisorError(OperationsError):
    """The supervisor can't be started, reached or stopped."""


class StartError(OperationsError):
    """A process was started and did not come up."""


class RunFailedError(OperationsError):
    """A DAG run that the start waits for ended without success.

    Attributes:
        tasks: ids of the tasks that failed themselves.
    """

    def __init__(self, cause: str, mend: str, tasks: frozenset[str]) -> None:
        super().__init__(cause, mend)
        self.tasks = tasks
