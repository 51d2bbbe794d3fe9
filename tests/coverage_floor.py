"""`python -m tests.coverage_floor`: fails where the last `make test` left out more than may be.

`fail_under` is one floor for lines and branches together, over everything: folders that are covered well make
up for one that is not, and lines for branches. These are the floors beside it.
"""

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from coverage import Coverage

BRANCHES = 90.0
"""Percent of the whole product's branches, each way out of a line for itself."""
FOLDERS = {"operations": 80.0}
"""Percent of a folder's lines and branches together."""

Summaries = Mapping[str, Mapping[str, float]]
"""What coverage's JSON report says of each file."""


def below(files: Summaries) -> list[str]:
    """A line for each floor that is not reached; what is not there at all reaches none."""
    missing = []
    branches = _share(files.values(), "branches")
    if branches < BRANCHES:
        missing.append(f"Tests ran {branches:.1f} % of the branches, less than {BRANCHES:g} %.")
    for folder, floor in FOLDERS.items():
        own = [each for name, each in files.items() if name.startswith(f"{folder}/")]
        share = _share(own, "lines", "branches")
        if share < floor:
            missing.append(f"Tests ran {share:.1f} % of {folder}, less than {floor:g} %.")
    return missing


def _share(files: Iterable[Mapping[str, float]], *parts: str) -> float:
    names = {"lines": "num_statements", "branches": "num_branches"}
    run = there = 0.0
    for file in files:
        run += sum(file[f"covered_{part}"] for part in parts)
        there += sum(file[names[part]] for part in parts)
    return 100 * run / there if there else 0.0


def main() -> int:
    """Print what is not reached; the exit code."""
    measured = Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        measured.json_report(outfile=str(report))
        files = {name: each["summary"] for name, each in json.loads(report.read_text())["files"].items()}
    missing = below(files)
    sys.stdout.writelines(f"{line} `make coverage` lists what is left out.\n" for line in missing)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
