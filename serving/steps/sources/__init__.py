"""What speaks for an item: each source gives one or more columns over the catalogue's rows.

Others use all of it.
"""

from collections.abc import Callable, Mapping

from serving.steps.context import Context
from serving.steps.table import Column
from serving.types import Mask

Source = Callable[[Context, Mask], Mapping[str, Column]]
"""Columns by name, from a context and what may be shown (bool[n_rows])."""
