"""From the columns of the sources to one score: blends, the cold start, search, or a single column.

Others use all of it.
"""

from collections.abc import Callable

from serving.steps.context import Context
from serving.steps.table import Table

Scorer = Callable[[Context, Table], Table]
"""The table with its score, and what each part of it gave."""
