"""Tables and intervals as Markdown: the one form in which figures are shown in files, cards and pages.

Not tabulate: it pads every cell, and MLflow's column for a card holds 5,000 characters.
"""

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that ends with a newline; a `|` in a cell is escaped.

    >>> print(table(["model", "ndcg@10"], [["als", "0.1234"]]), end="")
    | model | ndcg@10 |
    |---|---|
    | als | 0.1234 |
    """
    lines = [_line(head), "|---" * len(head) + "|", *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def interval(value: float, low: float, high: float) -> str:
    """A number and its interval; empty where there is no number.

    >>> interval(0.1234, 0.12, 0.1268)
    '0.1234 [0.1200, 0.1268]'
    """
    return f"{value:.4f} [{low:.4f}, {high:.4f}]" if math.isfinite(value) else ""


def difference(value: float, low: float, high: float) -> str:
    """A difference and its interval, signed.

    >>> difference(0.0123, 0.01, 0.0146)
    '+0.0123 [+0.0100, +0.0146]'
    """
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
