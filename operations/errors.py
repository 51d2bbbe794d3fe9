"""Errors of starting and stopping the platform: what is wrong, and how to fix it."""


class OperationsError(Exception):
    """Root: the platform can't be installed, start, run or stop; shown to the operator on one line.

    Attributes:
        cause: what is wrong, with the value at fault.
        fix: what the operator can do about it; empty where the cause says it.
    """

    def __init__(self, cause: str, fix: str = "") -> None:
        self.cause = cause.rstrip(".")
        super().__init__(f"{self.cause}. {fix}" if fix else cause)
        self.fix = fix


class InstallError(OperationsError):
    """The environment can't be made; the message says why and what to do."""


class PreflightError(OperationsError):
    """Something outside the platform prevents the start; nothing was started."""


class SupervisorError(OperationsError):
    """The supervisor can't be started, reached or stopped."""


class StartError(OperationsError):
    """A process was started but did not become ready."""


class RunFailedError(OperationsError):
    """A DAG run that the start was waiting for did not succeed.

    Attributes:
        tasks: ids of the tasks that failed, without those that never ran because of them.
    """

    def __init__(self, cause: str, fix: str, tasks: frozenset[str]) -> None:
        super().__init__(cause, fix)
        self.tasks = tasks
