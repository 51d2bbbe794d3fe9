"""Tables of candidates for tests of the steps that take one."""

from collections.abc import Mapping, Sequence

import numpy as np

from serving.steps.table import Table


def floats(*values: float) -> np.ndarray:
    """float32[len(values)]."""
    return np.array(values, dtype=np.float32)


def table_of(
    sources: Mapping[str, Sequence[float]],
    *,
    scales: Mapping[str, float] | None = None,
    allowed: Sequence[bool] | None = None,
    rows: Sequence[int] | None = None,
) -> Table:
    """A table of as many candidates as each source has values, of which all may be in the list."""
    count = len(next(iter(sources.values())))
    found = np.arange(count, dtype=np.int32) if rows is None else np.array(rows, dtype=np.int32)
    return Table(
        found,
        found.astype(np.uint64),
        np.ones(count, dtype=np.bool_) if allowed is None else np.array(allowed),
        {name: floats(*values) for name, values in sources.items()},
        scales or {},
        np.zeros(count, dtype=np.float32),
    )
