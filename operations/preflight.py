"""What must hold before anything is started. Each refusal is one line: the cause, and how to fix it."""

import shutil
import socket
import sys
from pathlib import Path

import psutil

from database.settings import REPOSITORY, Settings
from operations import processes
from operations.environment import Layout, layout
from operations.errors import PreflightError
from operations.install.lock import supported_versions
from operations.install.machine import DATA_GIGABYTES, GIGABYTE, MEMORY_GIGABYTES
from operations.supervisor import Supervisor
from training.data.workspace import check_holds


def check(settings: Settings) -> None:
    """Raise PreflightError for the first thing that is in the way."""
    place = layout(settings)
    check_python(sys.version_info[:2])
    check_home(place)
    check_workspace(settings.workspace.resolve())
    check_not_running(Supervisor(place))
    check_disk(place.home, DATA_GIGABYTES)
    check_memory(MEMORY_GIGABYTES)
    for name, port, variable in ports(settings):
        check_port(name, port, variable)


def check_python(version: tuple[int, int]) -> None:
    """Refuse a Python that the packages are not locked for."""
    oldest, above = supported_versions((REPOSITORY / "pyproject.toml").read_text())
    if not oldest <= version < above:
        last = f"{above[0]}.{above[1] - 1}"
        raise PreflightError(
            f"Python {version[0]}.{version[1]} runs this, and Shortlist needs 3.{oldest[1]} to {last}",
            f"Install one of them and run `make up PYTHON=/path/to/python{last}`",
        )


def check_workspace(folder: Path) -> None:
    """Refuse a workspace in which a training would fail after minutes, for want of a file."""
    try:
        check_holds(folder)
    except FileNotFoundError as error:
        cause, _, fix = str(error).partition("; ")
        raise PreflightError(cause, fix) from error


def check_home(place: Layout) -> None:
    """Refuse a state folder that can't be made or written."""
    try:
        place.create()
        probe = place.home / ".probe"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise PreflightError(
            f"The state folder {place.home} can't be written ({error.strerror})",
            "Make it writable, or name another one with SHORTLIST_HOME",
        ) from error


def check_not_running(supervisor: Supervisor) -> None:
    """Refuse to start beside a running platform, or on the remains of a half-finished start."""
    circusd = supervisor.circusd()
    if circusd is not None:
        raise PreflightError(
            f"Shortlist runs already (supervisor {circusd.pid}, {supervisor.place.home})",
            "Use it, or stop it with `make down`",
        )
    leftovers = supervisor.leftovers()
    if leftovers:
        named = ", ".join(processes.describe(process) for process in leftovers[:5])
        raise PreflightError(
            f"An earlier start ended half-way and left {len(leftovers)} processes running: {named}",
            "End them with `make down`, then start again",
        )


def check_disk(folder: Path, needed: float) -> None:
    """Refuse a disk with less than `needed` GB free."""
    free = shutil.disk_usage(folder).free / GIGABYTE
    if free < needed:
        raise PreflightError(
            f"Only {free:.1f} GB are free on the disk of {folder}, and {needed:.0f} GB are needed",
            "Free some space, or name a folder on another disk with SHORTLIST_HOME",
        )


def check_memory(needed: float) -> None:
    """Refuse a machine with less than `needed` GB of memory available."""
    available = psutil.virtual_memory().available / GIGABYTE
    if available < needed:
        raise PreflightError(
            f"Only {available:.1f} GB of memory are available, and {needed:.0f} GB are needed",
            "Close other programs, or use a larger machine",
        )


def ports(settings: Settings) -> list[tuple[str, int, str]]:
    """Name, number and setting of each port that this installation opens."""
    wanted = [("the service", settings.service_port, "SHORTLIST_SERVICE_PORT")]
    if settings.airflow_url is None:
        wanted.append(("Airflow", settings.airflow_port, "SHORTLIST_AIRFLOW_PORT"))
    if settings.mlflow_tracking_uri is None:
        wanted.append(("MLflow", settings.mlflow_port, "SHORTLIST_MLFLOW_PORT"))
    return wanted


def check_port(name: str, port: int, variable: str) -> None:
    """Refuse a port that something else listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PreflightError(
                f"Port {port}, which {name} needs, is taken{_holder(port)}",
                f"Stop what listens there, or set {variable} to a free port",
            ) from error


def _holder(port: int) -> str:
    """Who listens on the port, where the system lets us see it."""
    try:
        found = [c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.pid]
    except psutil.AccessDenied:
        return ""
    return f" by process {processes.describe(psutil.Process(found[0]))}" if found else ""
