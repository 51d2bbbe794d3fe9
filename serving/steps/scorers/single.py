"""The score is one source's column."""

from dataclasses import dataclass

from serving.steps.context import Context
from serving.steps.table import Table


@dataclass(frozen=True, slots=True)
class Single:
    """Score by the source of this name."""

    source: str

    def __call__(self, context: Context, table: Table) -> Table:
        return table.scored(table.column(self.source), {})
