"""Why an item is in a list: which source put it there, and in words that a shopper could read.

Others use all of it.
"""

from collections.abc import Callable, Sequence

from serving.steps.context import Context
from serving.steps.table import Table

Labels = Callable[[Context, Table], Sequence[str]]
"""For each candidate the name of what put it into the list, read from the columns."""
