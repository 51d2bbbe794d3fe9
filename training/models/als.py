"""Alternating least squares on implicit feedback (Hu, Koren, Volinsky 2008), solved by `implicit`.

Confidence: an observed pair counts 1 + alpha * strength, an unobserved one counts 1. The preference
of every observed pair is 1. `strength` of the config says how the raw strength is read first.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from training.models.base import Config
from training.models.data import Strength, TrainingData, transform_matrix
from training.models.factors import FactorModel, distinct_rows
from training.models.types import Csr, FloatArray, IntArray, Report

Solver = Callable[..., None]

FINAL_STEPS = 10
"""Conjugate-gradient steps of the last solve for users: their stored factors then equal a fold-in."""


class AlsConfig(Config):
    """Section `als`."""

    factors: int
    """Length of the vectors."""
    regularization: float
    """Weight of the squared length of the vectors in the loss."""
    alpha: float
    """How much more an observed pair counts for each unit of strength."""
    iterations: int
    """Rounds of solving for users, then for items."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class Als(FactorModel):
    """Fitted ALS. `gram` is Y'Y + regularization * I, which every fold-in starts from."""

    name: ClassVar[str] = "als"

    def fold_in(self, items: IntArray, weights: FloatArray) -> FloatArray:
        chosen = self.item_factors[items]
        extra = np.float32(self.scalars["alpha"]) * weights
        system = self.gram + chosen.T @ (extra[:, None] * chosen)
        result: FloatArray = np.linalg.solve(system, (1.0 + extra) @ chosen).astype(np.float32)
        return result

    def fold_in_batch(self, histories: Csr) -> FloatArray:
        vectors = np.zeros((histories.shape[0], self.item_factors.shape[1]), dtype=np.float32)
        for row in np.flatnonzero(np.diff(histories.indptr)):
            span = slice(histories.indptr[row], histories.indptr[row + 1])
            vectors[row] = self.fold_in(histories.indices[span], histories.data[span])
        return vectors


def fit(data: TrainingData, config: AlsConfig, seed: int, report: Report | None = None) -> Als:
    """Fit ALS. The same data, config and seed give the same model.

    Users with identical histories are solved once: their solutions are the same. In review data,
    where four of five users have one rating, that is most of the work.
    """
    from threadpoolctl import threadpool_limits

    strengths = transform_matrix(data.interactions, config.strength)
    confidence = _confidence(strengths, config.alpha)
    first, inverse = distinct_rows(strengths)
    with threadpool_limits(limits=1, user_api="blas"):
        users, items = _alternate(confidence, first, inverse, config, (seed, report))
        gram = items.T @ items + np.float32(config.regularization) * np.eye(config.factors, dtype=np.float32)
    return Als(items, users, inverse, gram, {"alpha": config.alpha, "strength": config.strength})


def _confidence(strengths: Csr, alpha: float) -> Csr:
    data = (1.0 + alpha * strengths.data).astype(np.float32)
    return sparse.csr_array((data, strengths.indices, strengths.indptr), shape=strengths.shape)


def _alternate(
    confidence: Csr, first: IntArray, inverse: IntArray, config: AlsConfig, run: tuple[int, Report | None]
) -> tuple[FloatArray, FloatArray]:
    seed, report = run
    solve, loss = _implicit(config, seed)
    generator = np.random.default_rng(seed)
    n_items = confidence.shape[1]
    by_user, by_item = _int32(confidence[first]), _int32(confidence.T.tocsr())
    users = _start(generator, len(first), config.factors)
    items = _start(generator, n_items, config.factors)
    items[np.diff(by_item.indptr) == 0] = 0.0
    for iteration in range(config.iterations):
        solve(by_user, users, items, config.regularization)
        expanded = users if len(first) == len(inverse) else users[inverse]
        solve(by_item, items, expanded, config.regularization)
        if report is not None:
            report(iteration + 1, {"loss": loss(by_item, items, expanded, config.regularization)})
    solve(by_user, users, items, config.regularization, cg_steps=FINAL_STEPS)
    return users, items


def _implicit(config: AlsConfig, seed: int) -> tuple[Solver, Callable[..., float]]:
    """The conjugate-gradient solver of `implicit`, and its loss, on all cores."""
    from implicit.cpu import _als
    from implicit.cpu.als import AlternatingLeastSquares

    trainer = AlternatingLeastSquares(factors=config.factors, random_state=seed)
    threads: dict[str, Any] = {"num_threads": trainer.num_threads}
    return partial(trainer.solver, **threads), partial(_als.calculate_loss, **threads)


def _start(generator: np.random.Generator, rows: int, factors: int) -> FloatArray:
    """Small positive vectors, as `implicit` starts: centred on zero, it took ten times the rounds."""
    values: FloatArray = generator.random((rows, factors), dtype=np.float32) * np.float32(0.01)
    return values


def _int32(matrix: Csr) -> Csr:
    """The solver reads int32 index arrays only."""
    matrix = sparse.csr_array(matrix)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix
