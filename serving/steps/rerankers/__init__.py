"""What changes the order of the best candidates: dislikes, variety.

Others use all of it.
"""

from collections.abc import Callable

from serving.steps.context import Context
from serving.steps.table import Table

Reranker = Callable[[Context, Table], Table]
"""The best candidates, best first, in another order; fewer of them if need be."""
