"""Commands in a process of their own, whose code `make test` counts like that of the tests' own process."""

import sys

from coverage import Coverage

from database.settings import REPOSITORY


def python_m(*words: str) -> list[str]:
    """`python -m WORDS`. What it starts in its turn is not counted: it would slow down its servers."""
    measuring = Coverage.current()
    counted: list[str] = []
    if measuring is not None:
        files = f"--data-file={REPOSITORY / str(measuring.get_option('run:data_file'))}"
        rules = f"--rcfile={REPOSITORY / 'pyproject.toml'}"
        counted = ["-m", "coverage", "run", "--parallel-mode", rules, files]
    return [sys.executable, *counted, "-m", *words]
