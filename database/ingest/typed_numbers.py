"""Numbers of files that tell numbers from texts, as JSON and spreadsheets do.

They have a decimal point whatever the texts beside them have, and say nothing of how those are to be read.
"""

from collections.abc import Iterable

import pandas as pd

_MARK = "\x1e"


class TypedNumber(str):
    """A number's text."""

    __slots__ = ()


def marked(values: Iterable[str | None]) -> list[str | None]:
    """The texts, those of typed numbers with a mark; no text that can be read as a number begins with it."""
    return [_MARK + value if isinstance(value, TypedNumber) else value for value in values]


def settled(column: pd.Series, *, comma: bool) -> pd.Series:
    """Texts without the marks; typed numbers are written as the others are, with a decimal comma if `comma`.

    >>> list(settled(pd.Series(marked([TypedNumber("123.456"), "3,50"])), comma=True))
    ['123,456', '3,50']
    """
    typed = column.str.startswith(_MARK).fillna(False).astype(bool)
    if not typed.any():
        return column
    plain = column[typed].str.removeprefix(_MARK)
    return column.mask(typed, plain.str.replace(".", ",", regex=False) if comma else plain)
