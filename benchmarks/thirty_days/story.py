"""The month as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from benchmarks.thirty_days.days import Day
from benchmarks.thirty_days.faults import PLAN
from benchmarks.thirty_days.world import SMALL

_LONGEST = 320
"""Characters of one outcome; the whole of it is in Airflow."""


def story(days: Sequence[Day], end: Sequence[str], names: Mapping[str, str], share: float) -> str:
    """How it was played, a line a day, what was true after it, and the bundles' ids.

    Args:
        days: that were played.
        end: what was true after them.
        names: id of a bundle → its name in the table.
        share: of the customers, 0..1.
    """
    template = jinja2.Template(
        Path(__file__).with_name("story.md.j2").read_text(),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    small = "; ".join(f"`{section}`: {values}" for section, values in SMALL.items())
    text: str = template.render(
        days=days, end=end, names=names, share=f"{share:.0%}", small=small, plan=PLAN, row=row
    )
    return text


def row(day: Day) -> str:
    """A day's line of the table."""
    failed = len(day.tally.failures)
    cells = [
        f"{day.number}",
        f"{day.date:%a %Y-%m-%d}",
        day.inbox,
        "<br>".join(day.ran),
        "<br>".join(shortened(each) for each in day.outcome),
        day.serves,
        f"{day.tally.asked - failed} / {failed}",
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def shortened(text: str) -> str:
    """A text on one line, cut after so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
