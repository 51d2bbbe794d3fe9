"""What installs: uv with pip's settings, or pip where uv can't be had."""

import os
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from operations.errors import InstallError
from operations.install.lock import Pin, pin_of
from operations.install.machine import GIGABYTE, numbers
from operations.install.settings import is_on, read_settings, uv_environment, uv_options

ROOM = 6 * GIGABYTE
"""Free space that uv's cache gets on a disk other than the environment's, or it is not used."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    worked: bool
    output: str


class Tool(ABC):
    """Installs into one environment, and never more than it is told to."""

    name: str
    again: str
    """The option that installs what is there already."""

    def __init__(self, venv: Path, lock: int) -> None:
        """Install into `venv`; each child holds the open file `lock`."""
        self.venv = venv
        self.python = venv / "bin" / "python"
        self.log = venv / "install.log"
        self.throwaway_cache = venv / ".cache"
        self.environment: dict[str, str] = {}
        self.may_look_elsewhere = True
        """Whether pip's settings don't forbid to look beyond what they name (`no-index`)."""
        self._lock = lock

    @abstractmethod
    def offers(self, requirement: str, links: Sequence[str], seconds: int | None) -> bool:
        """Whether the indexes have it, these further pages of links being read too; nothing is installed.

        Where an index has no metadata beside a wheel, pip fetches it; installing takes it from the cache.
        """

    @abstractmethod
    def install(self, *arguments: str) -> Done:
        """Install what the arguments name, not what it needs."""

    @abstractmethod
    def synchronise(self, lines: Sequence[str], links: Sequence[str]) -> None:
        """Make the environment hold what the lines pin, and nothing else. Raises InstallError."""

    def install_again(self, line: str) -> None:
        """Write a package's files over what another has put in their place. Raises InstallError."""
        self._demand(f"install {line}", self.install(self.again, line))

    def install_checkout(self, root: Path) -> None:
        """Install Shortlist itself, as it lies there. Raises InstallError."""
        self._demand(
            "install Shortlist itself", self.install("--no-build-isolation", "--editable", str(root))
        )

    def run(self, command: Sequence[str], seconds: float | None = None) -> Done:
        """Run a command and log what it said; after `seconds` it is ended."""
        try:
            done = subprocess.run(
                command,
                env=os.environ | self.environment,
                pass_fds=(self._lock,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
            )
            result = Done(done.returncode == 0, done.stdout)
        except subprocess.TimeoutExpired:
            result = Done(False, f"error: no answer within {seconds:.0f} s")
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{result.output}\n")
        return result

    def _demand(self, deed: str, done: Done) -> None:
        if not done.worked:
            raise InstallError(
                f"{self.name} could not {deed}: {reason(done.output)} (all of it: {self.log}). "
                "Put that right, then run the same command again."
            )

    def _listed(self, lines: Sequence[str]) -> str:
        """A file with the lines."""
        wanted = self.venv / "locked.txt"
        wanted.write_text("\n".join(lines) + "\n")
        return str(wanted)


class Pip(Tool):
    """The environment's own pip."""

    name = "pip"
    again = "--force-reinstall"

    def __init__(self, venv: Path, lock: int) -> None:
        """As Tool."""
        super().__init__(venv, lock)
        # A shared machine's pip.conf may say `user`, which no environment allows.
        self.environment = {"PIP_USER": "0"}

    def offers(self, requirement: str, links: Sequence[str], seconds: int | None) -> bool:
        hurry = ["--timeout", str(seconds), "--retries", "0"] if seconds else []
        return self.install("--dry-run", *hurry, *_find(links), requirement).worked

    def install(self, *arguments: str) -> Done:
        return self._pip("install", "--no-deps", "--progress-bar", "off", *arguments)

    def synchronise(self, lines: Sequence[str], links: Sequence[str]) -> None:
        self._demand("install the packages", self.install(*_find(links), "-r", self._listed(lines)))
        kept = {"pip", "setuptools", "wheel", "shortlist", *(line.partition("==")[0] for line in lines)}
        found = {
            _normal(line.partition("==")[0])
            for line in self._pip("list", "--format=freeze").output.splitlines()
        }
        others = sorted(found - kept)
        if others:
            self._pip("uninstall", "--yes", *others)

    def settings(self) -> dict[str, str]:
        """What pip's files and variables tell it."""
        return read_settings(self._pip("config", "list").output)

    def _pip(self, command: str, *arguments: str) -> Done:
        quiet = ("--disable-pip-version-check", "--no-input")
        return self.run([str(self.python), "-m", "pip", command, *quiet, *arguments])


class Uv(Tool):
    """uv, told what pip's settings say."""

    name = "uv"
    again = "--reinstall"

    def __init__(self, venv: Path, lock: int, program: str, settings: dict[str, str]) -> None:
        """As Tool, with the program and pip's settings."""
        super().__init__(venv, lock)
        self._program = program
        self._options = ["--python", str(self.python), *uv_options(settings)]
        self.environment = uv_environment(settings, os.environ)
        self.environment["UV_CACHE_DIR"] = str(self._cache(settings))

    def offers(self, requirement: str, links: Sequence[str], seconds: int | None) -> bool:
        before = self.environment
        if seconds:
            self.environment = before | {"UV_HTTP_TIMEOUT": str(seconds), "UV_HTTP_RETRIES": "0"}
        try:
            command = ("install", "--dry-run", "--no-deps", *_find(links), requirement)
            return self._uv(*command, seconds=3 * seconds if seconds else None).worked
        finally:
            self.environment = before

    def install(self, *arguments: str) -> Done:
        return self._uv("install", "--no-deps", *arguments)

    def synchronise(self, lines: Sequence[str], links: Sequence[str]) -> None:
        self._demand("install the packages", self._uv("sync", *_find(links), self._listed(lines)))

    def _uv(self, command: str, *arguments: str, seconds: float | None = None) -> Done:
        return self.run([self._program, "pip", command, *self._options, *arguments], seconds)

    def _cache(self, settings: dict[str, str]) -> Path:
        """uv's usual cache; one to throw away where that can't be written, is not wanted or has no room."""
        told = self.run([self._program, "cache", "dir"])
        usual = Path(told.output.strip()) if told.worked else self.throwaway_cache
        with suppress(OSError):
            usual.mkdir(parents=True, exist_ok=True)
            beside = usual.stat().st_dev == self.venv.stat().st_dev
            roomy = beside or shutil.disk_usage(usual).free > ROOM
            if roomy and os.access(usual, os.W_OK) and not is_on(settings.get("no-cache-dir", "")):
                return usual
        return self.throwaway_cache


def choose(venv: Path, lock: int, pins: Sequence[Pin]) -> Tool:
    """The uv on the PATH unless it is older than the lock's, else the lock's, fetched by pip, else pip.

    Raises InstallError when the index can't be reached, which would only show again after minutes.
    """
    pip, locked = Pip(venv, lock), pin_of("uv", pins)
    tool: Tool = pip
    program, settings = shutil.which("uv"), pip.settings()
    if program is None or _version(program) < numbers(locked.version):
        fetched = pip.install("--retries", "1", locked.line)
        if "Retrying (" in fetched.output and not fetched.worked:
            raise InstallError(
                f"The package index does not answer: {reason(fetched.output)} (all of it: {pip.log}). "
                "Look at the network and pip's settings (pip config list), then run the same command again."
            )
        program = str(venv / "bin" / "uv") if fetched.worked else None
    if program:
        tool = Uv(venv, lock, program, settings)
    tool.may_look_elsewhere = not is_on(settings.get("no-index", ""))
    return tool


def reason(output: str) -> str:
    """What uv or pip said went wrong, in one line: from the first line on that says error."""
    lines = [line.strip(" ×╰─▶│\t") for line in output.splitlines()]
    starts = [at for at, line in enumerate(lines) if re.match("error", line, re.I)]
    retried = [line for line in lines if "Retrying (" in line]
    if retried:
        return retried[-1].partition("connection broken by ")[2].strip("' ")[:400] or retried[-1]
    said = " ".join(line for line in (lines[starts[0] :] if starts else lines[-3:]) if line)
    return re.sub(r"^error:\s*", "", said, flags=re.I)[:400].rstrip(". ")


def _find(links: Sequence[str]) -> list[str]:
    return [word for link in links for word in ("--find-links", link)]


def _version(program: str) -> tuple[int, ...]:
    with suppress(OSError):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        return numbers(done.stdout.partition("(")[0])
    return ()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
