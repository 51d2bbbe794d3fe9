"""A plugin of pytest: instead of running the collected tests, try each mutant on those that reach it.

First all tests run once, to learn which functions each one reaches and what it costs. Then each mutant gets
a fork of this process, in which nothing has run yet, and its tests run there until one fails: first those
that noticed other mutants of the same function, then the others, the cheap files first.
"""

import fnmatch
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

KEPT = Path("reached.json")
"""What each test reaches and costs, by the digests of the code and of the test's file."""
SURVIVORS = Path("survivors.json")
"""The digest of the tests that did not notice a mutant: it is tried again when they change."""
TRIALS = Path("trials.jsonl")
"""A line for each mutant, as tried: its name, the code of its outcome, the test that noticed."""
FAILED, SURVIVED, LATE, NO_TESTS, CUT_SHORT = 1, 0, 36, 33, 35
"""`LATE` used up its time of the processor; `CUT_SHORT` was stopped by the clock, which says nothing."""
FIRST_KILLERS = 8


@dataclass
class Reach:
    """What a test cost, in seconds of processor time with its fixtures, and the functions that it called."""

    seconds: float = 0.0
    functions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Mutant:
    """One planted bug: its name as mutmut has it, its function's in that form, the file of its results."""

    name: str
    function: str
    meta: Path


@dataclass(frozen=True)
class Trial:
    """A process that tries a mutant, or runs tests to see what they reach."""

    pid: int
    answer: Path
    folder: Path
    ends: float


def digest(paths: Iterable[Path]) -> str:
    """Of the texts of files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def mutants() -> list[Mutant]:
    """All of them, file by file."""
    return [
        Mutant(name, name.rpartition("__mutmut_")[0], path)
        for path in sorted(Path().rglob("*.py.meta"))
        for name in json.loads(path.read_text())["exit_code_by_key"]
    ]


class Trials:
    """Forks of this process, a few side by side; each ends by itself, or is stopped when its time is over."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._running: dict[int, tuple[Trial, Callable[[int, str], None]]] = {}

    def start(self, work: Callable[[Path], int], seconds: float, then: Callable[[int, str], None]) -> None:
        """Fork; the child does `work`, which writes an answer to a file, and exits with what it returns.

        `then` gets the exit code and that text. A child has `seconds` of processor time, and by the clock
        five times as long and a minute: it may wait for something that never comes, or the machine is busy.
        """
        while len(self._running) >= self._processes:
            self.collect()
        folder = Path(tempfile.mkdtemp(prefix="mutant-"))
        trial_answer = folder / "answer"
        pid = os.fork()
        if pid == 0:
            _child(work, folder, trial_answer, int(seconds) + 1)
        self._running[pid] = Trial(pid, trial_answer, folder, time.monotonic() + 5 * seconds + 60), then

    def collect(self) -> None:
        """Wait until one has ended."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in self._running:
                trial, then = self._running.pop(pid)
                code = os.waitstatus_to_exitcode(status)
                text = trial.answer.read_text() if trial.answer.exists() else ""
                shutil.rmtree(trial.folder, ignore_errors=True)
                then({-signal.SIGXCPU: LATE, -signal.SIGKILL: CUT_SHORT}.get(code, code), text)
                return
            for trial, _ in self._running.values():
                if time.monotonic() > trial.ends:
                    os.killpg(trial.pid, signal.SIGKILL)
            time.sleep(0.002)

    def finish(self) -> None:
        """Wait for all."""
        while self._running:
            self.collect()


def _child(work: Callable[[Path], int], folder: Path, answer: Path, seconds: int) -> NoReturn:
    """Do the work in a process group and a temporary folder of its own, silently, and exit."""
    os.setpgid(0, 0)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    tempfile.tempdir = str(folder)
    silent = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(silent, descriptor)
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, used + seconds + 5))
    code = 70
    try:
        code = work(answer)
    finally:
        os._exit(code)


class Session:
    """The collected tests and what is known of them."""

    def __init__(
        self, session: pytest.Session, processes: int, minutes: float, names: str, order: int
    ) -> None:
        self._session = session
        self._names = names
        self._order = order
        self._items = {item.nodeid: item for item in session.items}
        self._trials = Trials(processes)
        self._processes = processes
        self._ends = time.monotonic() + 60 * minutes
        self._reach: dict[str, Reach] = {}
        self._killers: dict[str, Counter[str]] = defaultdict(Counter)
        self._digests = {file: digest([Path(file)]) for file in {_file(name) for name in self._items}}

    def run(self) -> None:
        """Learn what is reached, then try mutants until all are tried or the time is over."""
        self._learn()
        reaching: dict[str, list[str]] = defaultdict(list)
        for name, reach in self._reach.items():
            for function in reach.functions:
                reaching[function].append(name)
        kept: dict[str, str] = json.loads(SURVIVORS.read_text()) if SURVIVORS.exists() else {}
        tried = 0
        for mutant, marks in self._to_try(reaching, kept):
            if time.monotonic() > self._ends:
                break
            self._try(mutant, reaching[mutant.function], marks, kept)
            tried += 1
        self._trials.finish()
        SURVIVORS.write_text(json.dumps(kept, indent=1))
        sys.stderr.write(f"{tried} mutants tried\n")

    def _learn(self) -> None:
        """Run the tests whose reach is not known, each file in a fork."""
        shared = [*Path("tests").rglob("conftest.py"), *Path("tests/worlds").glob("*.py")]
        code = digest([*shared, *(path.with_suffix("") for path in Path().rglob("*.py.meta"))])
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        files: dict[str, Any] = kept.get("files", {}) if kept.get("code") == code else {}
        by_file: dict[str, list[pytest.Item]] = defaultdict(list)
        for name, item in self._items.items():
            by_file[_file(name)].append(item)
        for file, items in by_file.items():
            if files.get(file, {}).get("digest") != self._digests[file]:

                def keep(exit_code: int, text: str, file: str = file) -> None:
                    if exit_code != 0:
                        raise pytest.UsageError(f"{file} does not run without a mutant: {exit_code}")
                    files[file] = {"digest": self._digests[file], "tests": json.loads(text)}
                    KEPT.write_text(json.dumps({"code": code, "files": files}))

                self._trials.start(lambda answer, items=items: self._see(items, answer), 600, keep)  # type: ignore[misc]
        self._trials.finish()
        for file in by_file:
            self._reach |= {name: Reach(**reach) for name, reach in files[file]["tests"].items()}
        left_out = self._items.keys() - self._reach.keys()
        if left_out:
            sys.stderr.write(f"Left out, as they fail without a mutant: {', '.join(sorted(left_out))}\n")

    def _see(self, items: list[pytest.Item], answer: Path) -> int:
        """In a fork: run tests, and write what each one called; of those that pass without a mutant."""
        set_mutant_under_test("stats")
        seen, failed = {}, 0
        for item, following in _pairs(items):
            before = time.process_time()
            state()._stats.clear()
            self._session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed == failed:
                seen[item.nodeid] = asdict(Reach(time.process_time() - before, sorted(state()._stats)))
            failed = self._session.testsfailed
        answer.write_text(json.dumps(seen))
        return 0

    def _to_try(self, reaching: dict[str, list[str]], kept: dict[str, str]) -> Iterator[tuple[Mutant, str]]:
        """Mutants and the digest of their tests: survivors whose tests changed, then new ones, as drawn."""
        codes = {path: json.loads(path.read_text())["exit_code_by_key"] for path in Path().rglob("*.py.meta")}
        new, again = [], []
        for mutant in mutants():
            marks = self._marks(reaching[mutant.function])
            code = codes[mutant.meta][mutant.name]
            if code is None:
                new.append((mutant, marks))
            elif code == CUT_SHORT or (code in (SURVIVED, NO_TESTS) and kept.get(mutant.name) != marks):
                again.append((mutant, marks))
        random.Random(self._order).shuffle(new)
        for mutant, marks in (*again, *new):
            if fnmatch.fnmatch(mutant.name, self._names):
                yield mutant, marks

    def _marks(self, tests: list[str]) -> str:
        files = sorted({_file(name) for name in tests})
        return hashlib.sha256("".join(file + self._digests[file] for file in files).encode()).hexdigest()[:16]

    def _try(self, mutant: Mutant, tests: list[str], marks: str, kept: dict[str, str]) -> None:
        def keep(code: int, killer: str) -> None:
            if killer:
                self._killers[mutant.function][killer] += 1
            kept.pop(mutant.name, None)
            if code in (SURVIVED, NO_TESTS):
                kept[mutant.name] = marks
            results = json.loads(mutant.meta.read_text())
            results["exit_code_by_key"][mutant.name] = code
            results["durations_by_key"][mutant.name] = cost
            mutant.meta.write_text(json.dumps(results, indent=4))
            with TRIALS.open("a") as trials:
                trials.write(json.dumps({"mutant": mutant.name, "code": code, "killer": killer}) + "\n")

        cost = sum(self._reach[name].seconds for name in tests)
        if not tests:
            keep(NO_TESTS, "")
            return
        order = self._in_order(mutant.function, tests)
        self._trials.start(lambda answer: self._plant(mutant.name, order, answer), 10 + 5 * cost, keep)

    def _plant(self, mutant: str, tests: list[str], answer: Path) -> int:
        """In a fork: run tests with the mutant until one fails, and write that one's name."""
        set_mutant_under_test(mutant)
        for item, following in _pairs([self._items[name] for name in tests]):
            self._session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed:
                answer.write_text(item.nodeid)
                return FAILED
        return SURVIVED

    def _in_order(self, function: str, tests: list[str]) -> list[str]:
        """Those that noticed most for their cost first; the others by file, as files share fixtures."""
        known = self._killers[function]
        seconds = {name: self._reach[name].seconds for name in tests}
        first = sorted(known, key=lambda name: -known[name] / (seconds[name] + 0.01))[:FIRST_KILLERS]
        of_files: dict[str, float] = defaultdict(float)
        for name in tests:
            of_files[_file(name)] += seconds[name]
        others = set(tests) - set(first)
        return first + sorted(
            others, key=lambda name: (of_files[_file(name)], _file(name), seconds[name], name)
        )


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _pairs(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of pytest's own loop."""
    if session.testsfailed:
        raise session.Interrupted("tests that cannot be collected")
    processes, minutes = int(os.environ["MUTATION_PROCESSES"]), float(os.environ["MUTATION_MINUTES"])
    names, order = os.environ["MUTATION_NAMES"], int(os.environ["MUTATION_ORDER"])
    Session(session, processes, minutes, names, order).run()
    return True
