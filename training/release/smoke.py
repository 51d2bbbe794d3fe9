"""Whether a bundle can serve: it is loaded as the service does, and asked."""

import time
from pathlib import Path

import numpy as np

from training.models.bundle import BundleError, load_bundle
from training.models.core.base import Query

SMOKE_LENGTH = 10


def smoke_test(folder: Path, queries: int, seed: int) -> tuple[float, list[str]]:
    """Load a bundle as the service does and ask each model for lists.

    Returns:
        The P95 of one list in milliseconds, and what went wrong.
    """
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        return 0.0, [str(error)]
    generator = np.random.default_rng(seed)
    depth = min(SMOKE_LENGTH, len(bundle.items))
    seconds, errors = [], []
    for name, model in bundle.models.items():
        for _ in range(queries):
            items = np.sort(generator.choice(len(bundle.items), depth, replace=False)).astype(np.int32)
            query = Query(items, np.ones(depth, dtype=np.float32), items)
            started = time.perf_counter()
            found, scores = model.recommend(query, SMOKE_LENGTH)
            seconds.append(time.perf_counter() - started)
            if not np.isfinite(scores).all() or np.isin(found, items).any():
                errors.append(f"{name} returned non-numeric scores or excluded items")
                break
    return float(np.quantile(seconds, 0.95)) * 1000.0 if seconds else 0.0, errors
