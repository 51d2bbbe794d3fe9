"""Airflow's LocalExecutor whose tasks find the libraries that most of them need in memory.

Each task is a process of its own, forked from a worker, which is forked from the scheduler: on Linux, with
Python up to 3.13. To import these libraries takes about a second, which eleven tasks of the daily run would
spend one after the other.
"""

from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

LIBRARIES = ("mlflow", "pandas", "psycopg2", "pyarrow", "scipy.sparse")
"""What the steps import. Nothing of this repository: a task runs its code as it is when the task begins."""


class PreloadedLocalExecutor(LocalExecutor):
    """A LocalExecutor that imports LIBRARIES before it forks its workers, which share that memory."""

    def start(self) -> None:
        """Import the libraries and start the workers. Workers that are not forked would not have them."""
        if self.is_mp_using_fork:
            for name in LIBRARIES:
                import_module(name)
        super().start()
