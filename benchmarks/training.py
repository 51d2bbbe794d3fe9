"""Our ALS, with all that a fit does around it, against bare `implicit`: same matrix, rounds and factors."""

from time import perf_counter

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from benchmarks.report import table
from database.ingest.sample import SAMPLE
from training.models.als import AlsConfig, fit
from training.models.core.data import TrainingData, transform_matrix
from training.models.core.vocabulary import Vocabulary
from training.params import load_params


def run() -> None:
    """Fit both on the sample's purchases, and print seconds and their ratio."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    params = load_params()
    config = params.section(AlsConfig)
    data = purchases()
    started = perf_counter()
    model = fit(data, config, params.seed)
    ours = perf_counter() - started
    strengths = transform_matrix(data.interactions, config.strength)
    bare = AlternatingLeastSquares(
        factors=config.factors,
        regularization=model.scalars["regularization"],
        alpha=config.alpha,
        iterations=config.iterations,
        random_state=params.seed,
    )
    started = perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        bare.fit(sparse.csr_matrix(strengths), show_progress=False)
    theirs = perf_counter() - started
    shape = f"{data.n_users:,} users, {data.n_items:,} items, {data.interactions.nnz:,} pairs"
    table(
        f"ALS, {config.factors} factors, {config.iterations} rounds: {shape}",
        ("", "seconds", "ours / bare"),
        [("ours", ours, ours / theirs), ("implicit", theirs, 1.0)],
    )


def purchases() -> TrainingData:
    """The sample's purchases by customers, as pairs of how often."""
    lines = pq.read_table(SAMPLE, columns=["CustomerID", "StockCode", "Quantity"])
    lines = lines.filter(pc.and_(pc.is_valid(lines["CustomerID"]), pc.greater(lines["Quantity"], 0)))
    names = [str(int(value)) for value in lines["CustomerID"].to_pylist()]
    users, items = Vocabulary.build(set(names)), Vocabulary.build(set(lines["StockCode"].to_pylist()))
    rows = users.indexes(names)
    columns = items.indexes(lines["StockCode"].to_pylist())
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sparse.csr_array((ones, (rows, columns)), shape=(len(users), len(items)))
    matrix.sum_duplicates()
    return TrainingData(items=items, users=users, interactions=matrix)
