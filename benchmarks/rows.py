"""The tables of docs/benchmarks.md: what was asked, what was measured, whether it was reached.

A benchmark writes its own rows and leaves the others as they are; those of another machine say so.
"""

import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
import psutil

from database.settings import REPOSITORY
from training.markdown import table

PAGE = REPOSITORY / "docs" / "benchmarks.md"
_COLUMNS = ("#", "what", "ours", "reference", "ratio", "target", "", "measured")
_MARKS = ("<!-- rows -->", "<!-- end of rows -->")
_KEY = re.compile(r"\| (\d+) \| ([^|;]*)")


@dataclass(frozen=True)
class Row:
    """One comparison. Several may have one number, each with a `what` of its own."""

    number: int
    what: str
    ours: str
    reference: str
    ratio: str
    target: str
    reached: bool

    def cells(self, measured: str) -> tuple[str, ...]:
        """As the table has them."""
        verdict = "reached" if self.reached else "missed"
        return (
            *(str(self.number), self.what, self.ours, self.reference),
            *(self.ratio, self.target, verdict, measured),
        )


def machine() -> str:
    """What figures are measured on: processor, cores, memory, Python."""
    gigabytes = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", names.read_text()) if names.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()


@cache
def load_before() -> float:
    """What else the machine does: its load when this was first called, before a benchmark adds its own."""
    return os.getloadavg()[0]


def how_measured(how: str) -> str:
    """When, how, and what else the machine did."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {how}, load {load_before():.1f}"


def tell_rows(rows: Sequence[Row], how: str, page: Path | None) -> None:
    """Print rows of the table, and write them into a page.

    Args:
        how: the size of the measurement, such as "5 rounds".
        page: with the marks of the table; None: print only.
    """
    write_table(_COLUMNS, lambda measured: [row.cells(measured) for row in rows], how, page, _MARKS)


def write_table(
    columns: Sequence[str],
    cells: Callable[[str], Sequence[Sequence[str]]],
    how: str,
    page: Path | None,
    marks: tuple[str, str],
) -> None:
    """Print rows of a table whose first two columns name them, and write them into a page.

    Args:
        cells: the rows; takes what their last column says.
        how: the size of the measurement.
        page: with the marks of the table; None: print only.
    """
    text = table(columns, cells(how_measured(how)))
    click.echo(f"\n{text}")
    if page is not None:
        section = of_machine(between(page.read_text(), marks), machine())
        replace_between(page, marks, f"{machine()}.\n\n{merged(section, text)}")


def of_machine(section: str, now: str) -> str:
    """The table as it stands; measured on another machine than `now`, each of its rows says on which."""
    said = next((line for line in section.splitlines() if line and not line.startswith("|")), "")
    if said in ("", f"{now}."):
        return section
    where = f", on {said.removesuffix('.')} |"
    return "\n".join(
        line.removesuffix(" |") + where if _KEY.match(line) and ", on " not in _measured(line) else line
        for line in section.splitlines()
    )


def _measured(line: str) -> str:
    return line.rsplit(" | ", 1)[1]


def merged(before: str, now: str) -> str:
    """The table with the new rows in place of those of the same number and name, in order of the numbers.

    A row's name is its second cell as far as the first semicolon.
    """
    found: dict[tuple[int, str], str] = {}
    for line in (*before.splitlines(), *now.splitlines()):
        if key := _KEY.match(line):
            found[int(key[1]), key[2].strip()] = line
    head = now.splitlines()[:2]
    return "\n".join([*head, *(found[key] for key in sorted(found))])


def between(text: str, marks: tuple[str, str]) -> str:
    """What stands between two marks. Raises ValueError where they do not stand."""
    _, start, rest = text.partition(marks[0])
    found, end, _ = rest.partition(marks[1])
    if not (start and end):
        raise ValueError(f"{marks[0]} and {marks[1]} are missing")
    return found


def replace_between(page: Path, marks: tuple[str, str], text: str) -> None:
    """Replace what stands between the marks of a page. Raises ValueError where it has none."""
    whole = page.read_text()
    before = whole.partition(marks[0])[0]
    after = whole[len(before) + len(marks[0]) + len(between(whole, marks)) + len(marks[1]) :]
    page.write_text(f"{before}{marks[0]}\n\n{text.strip()}\n\n{marks[1]}{after}")


page_option = click.option(
    "--page",
    envvar="BENCHMARKS_PAGE",
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Write the rows of the table there.",
)
