"""The table of `make mutants`: how many mutants of each room the tests noticed, and which they did not.

Reads what mutmut keeps in mutants/: for each mutant of a file the exit code of its tests.
"""

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

FOLDER = Path("mutants")
KILLED, SURVIVED = frozenset({1, 3}), 0
"""Of pytest: a test failed, or was interrupted; all passed."""
NO_TESTS = frozenset({5, 33})
"""No test reaches the mutant's function."""
LATE = frozenset({-24, 24, 36, 152, 255})
"""Stopped: the mutant made a test run for too long. That counts as noticed."""


def outcome(code: int | None) -> str:
    """What became of a mutant, by the exit code that mutmut keeps for it."""
    if code is None:
        return "not run"
    if code == SURVIVED:
        return "survived"
    if code in NO_TESTS:
        return "no test"
    return "killed" if code in KILLED or code in LATE else "failed"


def read(folder: Path) -> dict[str, dict[str, str]]:
    """The outcome of each mutant by its name, by the file that it is of."""
    found = {}
    for path in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            found[str(path.relative_to(folder)).removesuffix(".meta")] = {
                name: outcome(code) for name, code in codes.items()
            }
    return found


def table(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each room, the folder of a file, and one for all."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for path, outcomes in found.items():
        for room in (str(Path(path).parent), "all"):
            rooms[room].update(outcomes.values())
    lines = [
        "| room | mutants run | killed | survived | no test | share killed | not run |",
        "|---|---|---|---|---|---|---|",
    ]
    for room, counts in rooms.items():
        run = sum(counts.values()) - counts["not run"]
        share = f"{counts['killed'] / run:.0%}" if run else ""
        numbers = (run, counts["killed"], counts["survived"], counts["no test"], share, counts["not run"])
        lines.append(f"| {room} | {' | '.join(map(str, numbers))} |")
    return lines


def main(folder: Path = FOLDER) -> None:
    """Print the table, then the names of those that were not noticed: `mutmut show NAME` shows one."""
    found = read(folder)
    unseen = [
        f"{what}: {name}"
        for outcomes in found.values()
        for name, what in outcomes.items()
        if what in {"survived", "no test", "failed"}
    ]
    sys.stdout.write("\n".join([*table(found), "", *unseen, ""]))


if __name__ == "__main__":
    main()
