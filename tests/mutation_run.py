"""`make mutants`: plant small bugs, one at a time, and see whether the tests notice.

mutmut makes the mutants (`tool.mutmut` in pyproject.toml), and `mutmut show NAME` prints one. Its own loop
starts pytest anew for each, which takes longer than most tests that notice one: here the tests are collected
once, and every mutant is tried in a fork of that process (`tests/mutation_session.py`).
"""

import os
import subprocess
import sys
from pathlib import Path

import click
from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir

from tests.mutation_table import FOLDER
from tests.mutation_table import main as tell


def plant(processes: int) -> None:
    """Write code with all its mutants, and the tests, to mutants/; results of unchanged functions stay."""
    FOLDER.mkdir(exist_ok=True)
    set_mutant_under_test("mutant_generation")
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(processes)


@click.command()
@click.option("--minutes", type=float, default=60, help="Stop after so long; the next run goes on.")
@click.option("--processes", type=int, default=2, help="Mutants that are tried side by side.")
@click.option("--names", default="*", help="Only mutants with such names, as training.release.gate.*")
@click.option("--order", type=int, default=0, help="Which of the orders new mutants are drawn in.")
def main(minutes: float, processes: int, names: str, order: int) -> None:
    """Try survivors whose tests have changed, then mutants that were not tried yet; print the table."""
    plant(processes)
    settings = config()
    environment = os.environ | {
        "MUTANT_UNDER_TEST": "",
        "MUTATION_MINUTES": str(minutes),
        "MUTATION_PROCESSES": str(processes),
        "MUTATION_NAMES": names,
        "MUTATION_ORDER": str(order),
    }
    # From mutants/ alone: the folder of the command comes before the installed code.
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--rootdir=.", "-q", "-p", "tests.mutation_session"),
            *settings.pytest_add_cli_args,
            *settings.pytest_add_cli_args_test_selection,
        ],
        cwd=FOLDER,
        env=environment,
        check=True,
    )
    tell(Path(FOLDER))


if __name__ == "__main__":
    main()
