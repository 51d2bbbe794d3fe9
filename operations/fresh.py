"""`make fresh`: the README's first command as an ordinary user types it in a minimal Debian.

Once with this machine's settings of pip, once with PyPI alone; a table tells what became of each. What is
committed is cloned. Each trial has a file system, mounts and processes of its own, which end with it.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from database.settings import REPOSITORY
from operations.install.settings import read_settings

PACKAGES = ("python3", "python3-venv", "make", "ca-certificates")
USER = "shopper"
CHECKOUT = f"/home/{USER}/shortlist"
SECONDS = 1700
"""After which a trial is given up: two of them take an hour at most."""

STOP_SECONDS = 120
"""For `make down`, after which what is left is killed."""

PATH = "/root/bin:/usr/local/bin:/usr/bin:/bin"
"""A user's, with a folder that the user can't read: what looks for programs has to pass it over."""

INSIDE = rf"""
mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit 1
root=$1; shift
for path; do mount --bind "$path" "$root$path" && mount -o remount,bind,ro "$root$path" || exit 1; done
exec chroot --userspec={USER}: "$root" sh -c \
    'cd {CHECKOUT} && make up DETACH=1; code=$?; make down; exit $code'
"""


@dataclass(frozen=True)
class Trial:
    """What is the same as on this machine."""

    name: str
    environment: Mapping[str, str]
    binds: tuple[str, ...]
    """Paths of this machine that the trial reads."""


@dataclass(frozen=True)
class Outcome:
    """What became of a trial."""

    machine: str
    said: str
    seconds: float


@click.command(help=__doc__)
@click.option("--suite", default="bookworm", show_default=True, help="Release of Debian.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("/var/tmp/shortlist-fresh"), show_default=True
)
@click.option("--only", type=click.Choice(["settings", "pypi"]), help="One of the trials.")
def main(suite: str, folder: Path, only: str | None) -> None:
    """Try each, and print the table."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise SystemExit(
            "make fresh: needs root and debootstrap (apt install debootstrap), to make a Debian."
        )
    base = make_base(folder, suite)
    wanted = [trial for trial in trials() if only in (None, trial.name.split(" ")[0].lower())]
    outcomes = [try_one(folder, base, suite, trial) for trial in wanted]
    click.echo("| machine | what `make up` did | seconds to the first list |\n|---|---|---|")
    for outcome in outcomes:
        click.echo(f"| {outcome.machine} | {outcome.said} | {outcome.seconds:.0f} |")
    sys.exit(any(outcome.said != "all well" for outcome in outcomes))


def make_base(folder: Path, suite: str) -> Path:
    """A minimal Debian with what the README asks for and an ordinary user; kept for the next time."""
    base, draft = folder / f"base-{suite}", folder / f"draft-{suite}"
    if base.exists():
        return base
    shutil.rmtree(draft, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"Making a minimal Debian {suite} in {base}.")
    include = f"--include={','.join(PACKAGES)}"
    _demand(["debootstrap", "--variant=minbase", include, suite, str(draft)])
    _demand(["chroot", str(draft), "useradd", "--create-home", USER])
    draft.rename(base)
    return base


def trials() -> list[Trial]:
    """With this machine's settings of pip, and with PyPI alone."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = read_settings(listing)
    network = {
        name: value
        for name, value in os.environ.items()
        if re.search(r"(_proxy|^SSL_CERT_(FILE|DIR)|^PIP_CERT)$", name, re.I)
    }
    spoken = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return [
        Trial("Settings of this machine", {**network, **spoken}, paths({**network, **spoken})),
        Trial("PyPI alone", {**network, "PIP_CONFIG_FILE": "/dev/null"}, paths(network)),
    ]


def paths(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The files and folders of this machine that the values name."""
    words = [word for value in variables.values() for word in value.split()]
    # The files of an index lie beside its pages.
    words = [str(Path(word[7:]).parent) if word.startswith("file://") else word for word in words]
    return tuple(sorted({word for word in words if word.startswith("/") and Path(word).exists()}))


def try_one(folder: Path, base: Path, suite: str, trial: Trial) -> Outcome:
    """Run `make up` in a copy of the base, and `make down` after it."""
    click.echo(f"{trial.name}: make up")
    root, log = folder / "trial", folder / f"{suite}-{trial.name.split(' ')[0].lower()}.log"
    with fresh_copy(base, root):
        for path in trial.binds:
            target = root / path.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_dir():
                target.mkdir(exist_ok=True)
            else:
                target.touch()
        started = time.monotonic()
        command = [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", INSIDE, "bash"),
            *(str(root), *trial.binds),
        ]
        with log.open("w") as output:
            process = subprocess.Popen(
                command, env=environment(trial), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
            took = _first_list(process, log, started)
            try:
                code = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        said = "all well" if code == 0 else last_word(log.read_text())
    return Outcome(f"Debian {suite}, {trial.name[0].lower()}{trial.name[1:]}", said, took)


@contextmanager
def fresh_copy(base: Path, root: Path) -> Iterator[None]:
    """A copy of the base with a clone of this checkout in the user's home; gone afterwards."""
    shutil.rmtree(root, ignore_errors=True)
    _demand(["cp", "--archive", "--reflink=auto", str(base), str(root)])
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    checkout = root / CHECKOUT.removeprefix("/")
    _demand(["git", "clone", "--quiet", "--no-hardlinks", str(REPOSITORY), str(checkout)])
    _demand(["chroot", str(root), "chown", "--recursive", f"{USER}:", CHECKOUT])
    try:
        yield
    finally:
        shutil.rmtree(root, ignore_errors=True)


def environment(trial: Trial) -> dict[str, str]:
    """An ordinary user's variables, with ports that nobody uses."""
    names = ("SHORTLIST_SERVICE_PORT", "SHORTLIST_AIRFLOW_PORT", "SHORTLIST_MLFLOW_PORT")
    probes = [socket.socket() for _ in names]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}
    for probe in probes:
        probe.close()
    user = {"HOME": f"/home/{USER}", "USER": USER, "PATH": PATH, "LANG": "C.UTF-8"}
    # The mounting shell is root's, whose tools may lie in sbin.
    return {**user, **ports, **trial.environment, "PATH": f"{user['PATH']}:/usr/sbin:/sbin"}


def _first_list(process: subprocess.Popen[bytes], log: Path, started: float) -> float:
    """Seconds until `make up` ended or said that all runs; ends the trial that takes too long."""
    while process.poll() is None and "Running; `make down` stops it." not in log.read_text():
        if time.monotonic() - started > SECONDS:
            process.kill()
        time.sleep(0.5)
    return time.monotonic() - started


def last_word(said: str) -> str:
    """The line in which `make up` said why not."""
    lines = [line for line in said.splitlines() if line.startswith("make") and "***" not in line]
    stripped = [line for line in lines if "Entering" not in line and "Leaving" not in line]
    return stripped[-1] if stripped else f"no word within {SECONDS} s"


def _demand(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split()[-40:])
        raise SystemExit(f"make fresh: {' '.join(command[:2])} failed: {said}")


if __name__ == "__main__":
    main()
