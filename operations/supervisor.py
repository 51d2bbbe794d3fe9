"""The supervisor, circusd, which keeps the processes of circus.ini running."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil
import zmq
from circus.client import CircusClient
from circus.exc import CallError

from database.settings import REPOSITORY
from operations import processes
from operations.environment import MARKER, Layout
from operations.errors import SupervisorError

logger = logging.getLogger(__name__)

CONFIGURATION = REPOSITORY / "circus.ini"
START_SECONDS = 20
STOP_SECONDS = 45
REPLY_SECONDS = 45.0
SLICE_MILLISECONDS = 500
BUSY = "already running"
"""Part of circusd's reply while another command or its own check of the processes is running."""

LAST = "postgres"
"""The process that all others need, so it stops last."""


class Supervisor:
    """One installation's circusd: start it, send it commands, stop it and everything it started."""

    def __init__(self, place: Layout) -> None:
        self.place = place

    def start(self, environment: Mapping[str, str]) -> None:
        """Start circusd detached from this terminal; it starts no process of circus.ini yet.

        Raises SupervisorError if it does not reply within 20 seconds.
        """
        log = self.place.logs / "circusd.log"
        with log.open("ab") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", "circus.circusd", str(CONFIGURATION)],
                cwd=REPOSITORY,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while started.poll() is None and time.monotonic() < deadline:
            try:
                self.call("numwatchers", seconds=0.3)
            except SupervisorError:
                continue
            return
        raise SupervisorError("The supervisor (circusd) did not start", f"See {log}")

    def call(self, command: str, *, seconds: float = REPLY_SECONDS, **properties: Any) -> dict[str, Any]:
        """Send one command and return its reply.

        Raises SupervisorError if it is not running, does not reply in time, or returns an error.
        """
        deadline = time.monotonic() + seconds
        while True:
            reply = self._send(command, seconds, properties)
            if reply.get("status") != "error":
                return reply
            reason = str(reply.get("reason"))
            if BUSY not in reason or time.monotonic() > deadline:
                raise SupervisorError(f"The supervisor rejected '{command}' ({reason})", "Run `make down`")
            time.sleep(0.1)

    def _send(self, command: str, seconds: float, properties: dict[str, Any]) -> dict[str, Any]:
        client = CircusClient(endpoint=self.place.endpoint, timeout=seconds)
        client.poller = _WhileAlive(client.poller, lambda: self.circusd() is not None)
        try:
            reply: dict[str, Any] = client.send_message(command, **properties)
        except CallError as error:
            if self.circusd() is None:
                log = self.place.logs / "circusd.log"
                raise SupervisorError("The supervisor (circusd) died", f"See {log}") from error
            raise SupervisorError(
                f"The supervisor does not reply to '{command}' ({error})", "Run `make down`"
            ) from error
        finally:
            client.stop()
        return reply

    def start_process(self, name: str) -> None:
        """Start one process of circus.ini unless it is running."""
        self.call("start", name=name, waiting=True, match="simple")

    def restart_process(self, name: str) -> None:
        """Stop one process of circus.ini, if it is running, and start it."""
        self.call("stop", seconds=STOP_SECONDS, name=name, waiting=True, match="simple")
        self.start_process(name)

    def process_ids(self, name: str) -> list[int]:
        """Process ids of the watcher `name`."""
        return [int(pid) for pid in self.call("list", name=name)["pids"]]

    def states(self) -> dict[str, str]:
        """State of every process of circus.ini: active, stopped, starting, stopping."""
        return dict(self.call("status", seconds=5)["statuses"])

    def circusd(self) -> psutil.Process | None:
        """The running supervisor of this installation, if there is one."""
        try:
            process = psutil.Process(int(self.place.pidfile.read_text()))
            return process if process.environ().get(MARKER) == self.place.marker else None
        except (OSError, ValueError, *processes.GONE):
            return None

    def leftovers(self) -> list[psutil.Process]:
        """Every running process that carries this installation's marker."""
        return processes.carriers(lambda env: env.get(MARKER) == self.place.marker)

    def stop(self) -> int:
        """Stop everything of this installation, the database last, and nothing else.

        Works without a running supervisor too. Returns how many processes there were.
        """
        running = self.leftovers()
        circusd = self.circusd()
        if circusd is not None:
            self._stop_orderly(circusd)
        rest = self.leftovers()
        servers = [process for process in rest if _is(process, LAST)]
        below = [child for server in servers for child in _below(server)]  # their server ends them
        processes.end([process for process in rest if process not in {*servers, *below}])
        processes.end(
            [server for server in servers if server not in below], sign=signal.SIGINT, patience=STOP_SECONDS
        )
        self.place.pidfile.unlink(missing_ok=True)
        self.place.remove_sockets()
        return len(running)

    def _stop_orderly(self, circusd: psutil.Process) -> None:
        try:
            self.call("stop", name=f"^(?!{LAST}$)", match="regex", waiting=True)
            self.call("quit", seconds=5)
            circusd.wait(timeout=STOP_SECONDS)
        except (SupervisorError, psutil.TimeoutExpired) as error:
            logger.warning("the supervisor did not stop, so it is killed: %s", error)
            processes.end([circusd])


class _WhileAlive:
    """A poller that stops waiting for a reply when the supervisor is gone."""

    def __init__(self, poller: zmq.Poller, alive: Callable[[], bool]) -> None:
        self._poller = poller
        self._alive = alive

    def poll(self, milliseconds: float) -> list[tuple[Any, int]]:
        """Events within `milliseconds`; none on timeout or if the supervisor is gone."""
        deadline = time.monotonic() + milliseconds / 1000
        while True:
            rest = max(0.0, deadline - time.monotonic()) * 1000
            events: list[tuple[Any, int]] = self._poller.poll(int(min(rest, SLICE_MILLISECONDS)))
            if events or rest < 1 or not self._alive():
                return events


def _is(process: psutil.Process, name: str) -> bool:
    try:
        return bool(process.environ().get(processes.PROCESS) == name)
    except processes.GONE:
        return False


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except processes.GONE:
        return []
    return found
