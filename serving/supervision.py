"""BentoML's supervisor of the workers, made to look often.

It looks every ten seconds whether a worker has died, and in a container it starts none again; BentoML has no
setting for either. Its class is therefore replaced in the process that starts the workers.
"""

from typing import Any

from bentoml._internal.utils import circus as bentoml_circus

LOOKS_EVERY_SECONDS = 1.0


class Supervisor(bentoml_circus.Arbiter):  # type: ignore[misc]  # BentoML has no types
    """Starts a worker again within a second of its death, wherever it runs."""

    def __init__(self, watchers: Any, *args: Any, **kwargs: Any) -> None:
        for watcher in watchers:
            watcher.respawn = True
        super().__init__(watchers, *args, **{**kwargs, "check_delay": LOOKS_EVERY_SECONDS})

    def manage_watchers(self) -> Any:
        """Look after the workers; not while they are started or stopped, which circus refuses loudly."""
        return super().manage_watchers() if self._exclusive_running_command is None else None


def watch_workers_closely() -> None:
    """Have BentoML use this supervisor. To be called before it makes its own."""
    bentoml_circus.Arbiter = Supervisor
