"""Non-negative matrix factorisation of the strengths by hierarchical alternating least squares.

Minimises ||X - W H||^2 + penalty (||W||^2 + ||H||^2) over W, H >= 0, where a pair nobody interacted with
is a zero of X (Cichocki and Phan 2009). With a penalty above X's largest singular value zero is the best
there is: `l2` is in units of the root mean square length of X's columns, which is no larger than that value.
Only X'W, XH' and d x d products are ever formed: memory is that of the sparse input and the two factors.
Users of one history have one row, which counts as often as there are of them. A skip's -1 was spent in
`data.net_strengths`.

It starts from X's singular vectors (Boutsidis and Gallopoulos 2008). From random factors the models of two
nights were better or worse by luck, and a lucky one kept its successors out of service.
"""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import NEEDS_INTERACTIONS, Algorithm, Config, Query
from training.models.core.bounds import MOST_FACTORS, MOST_ROUNDS
from training.models.core.data import Strength, TrainingData, transform, transform_matrix
from training.models.core.factors import FactorModel, column_length, distinct_rows
from training.models.core.types import Csr, FloatArray, IntArray, Report

_BLOCK = 4096
"""Rows that are solved at a time: with their targets they stay in a processor's cache."""

FOLD_IN_SWEEPS = 30
"""Sweeps over the factors for a new history: the problem is convex and small, this is past convergence."""


class NmfConfig(Config):
    """Section `nmf`."""

    factors: int = Field(ge=1, le=MOST_FACTORS)
    """Number of topics."""
    iterations: int = Field(ge=1, le=MOST_ROUNDS)
    """Rounds over all factors of users and of items."""
    l2: float = Field(ge=0)
    """Weight of the squared length of the vectors in the loss, times the root mean square length of the
    items' columns of strengths (`column_length`): one value holds for small and large histories, and below 1
    something of each is left."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class Nmf(FactorModel):
    """Fitted NMF. `gram` is HH' + penalty * I."""

    name: ClassVar[str] = "nmf"

    def fold_in(self, items: IntArray, weights: FloatArray) -> FloatArray:
        """Multiplicative updates with the items' factors fixed (Lee and Seung 2001)."""
        # Lee and Seung 2001, eq. 4, for one row: w <- w * (x H') / (w H H'); zeros stay, signs never change.
        target = weights @ self.item_factors[items]
        vector = target / np.maximum(self.gram.sum(axis=1), 1e-12)
        # 1e-12 keeps 0 / 0 at 0: a factor that no item of the history has.
        for _ in range(FOLD_IN_SWEEPS):
            vector = vector * (target / np.maximum(self.gram @ vector, 1e-12))
        result: FloatArray = vector.astype(np.float32)
        return result

    def contributions(self, query: Query, items: IntArray) -> FloatArray:
        """Each factor of the user is shared out among the items of the history by what they hold of it."""
        held = self.item_factors[query.items] * transform(query.weights, self.strength)[:, None]
        shares = held / np.maximum(held.sum(axis=0), np.float32(1e-12))
        given: FloatArray = (self.item_factors[items] * self.user_vector(query)) @ shares.T
        return given

    def fold_in_batch(self, histories: Csr) -> FloatArray:
        vectors = np.empty((histories.shape[0], len(self.gram)), dtype=np.float32)
        held = np.maximum(self.gram.sum(axis=1), 1e-12)
        for start in range(0, len(vectors), _BLOCK):
            rows = slice(start, start + _BLOCK)
            targets = histories[rows] @ self.item_factors
            found = targets / held
            for _ in range(FOLD_IN_SWEEPS):
                scale = np.maximum(found @ self.gram, 1e-12)
                found *= np.divide(targets, scale, out=scale)
            vectors[rows] = found
        return vectors


def fit(data: TrainingData, config: NmfConfig, seed: int, report: Report | None = None) -> Nmf:
    """Fit NMF. The same data, config and seed give the same model."""
    from threadpoolctl import threadpool_limits

    matrix = transform_matrix(data.interactions, config.strength)
    penalty = config.l2 * column_length(matrix)
    first, inverse = distinct_rows(matrix)
    with threadpool_limits(limits=1, user_api="blas"):
        histories, times = matrix[first], np.bincount(inverse, minlength=len(first)).astype(np.float32)
        items = _factorise(histories, times, penalty, config, (seed, report))
        # The penalty on the diagonal: fold-in then minimises the same loss as the fit.
        gram = items.T @ items + np.float32(penalty) * np.eye(config.factors, dtype=np.float32)
        scalars: dict[str, Any] = {"strength": config.strength}
        empty = np.zeros((0, config.factors), dtype=np.float32)
        folder = Nmf(items, empty, inverse, gram, scalars)
        users = folder.fold_in_batch(histories)
    return Nmf(items, users, inverse, gram, scalars)


def _factorise(
    matrix: Csr, times: FloatArray, penalty: float, config: NmfConfig, run: tuple[int, Report | None]
) -> FloatArray:
    """Item factors float32[n_items, d], of rows that count `times` (float32[n_rows]) each."""
    seed, report = run
    users, items = _start(matrix, times, config.factors, seed)
    counted = sparse.diags_array(times, format="csr", dtype=np.float32) @ matrix
    transposed = counted.T.tocsr()
    squares = float(np.dot(matrix.data, counted.data))
    for iteration in range(config.iterations):
        # Users, then items against the new users: each sweep minimises the loss with the other side fixed.
        _sweep(users, matrix @ items, items.T @ items, penalty)
        products = transposed @ users
        gram = users.T @ (users * times[:, None])
        _sweep(items, products, gram, penalty)
        if report is not None:
            # ||X - WH||^2 = ||X||^2 - 2<X, WH> + ||WH||^2, each from d x d or sparse products.
            fitted = float(np.sum((items @ gram) * items)) - 2.0 * float(np.sum(products * items))
            report(iteration + 1, {"loss": squares + fitted})
    # What nobody acted on has nothing to be learned from: zero is "no opinion".
    items[np.diff(transposed.indptr) == 0] = 0.0
    return items


def _start(matrix: Csr, times: FloatArray, factors: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Factors of users float32[n_rows, d] and of items float32[n_items, d] to begin with (NNDSVD).

    Of each pair of singular vectors, the positive parts or the negative ones, whichever weigh more. The seed
    draws the test vectors of the randomised decomposition (Halko et al. 2011), which decide hardly anything.
    A row that stands n times is in the decomposition as one of sqrt(n) times its length.
    """
    from sklearn.utils.extmath import randomized_svd

    n_rows, n_items = matrix.shape
    root = np.sqrt(times)
    total = float(times @ matrix.sum(axis=1))
    # Their product is of the order of X's mean: zeros would give the sweeps nothing to begin with.
    least = np.sqrt(max(total, 1e-12) / max(float(times.sum()) * n_items, 1) / factors) / 2
    users = np.full((n_rows, factors), least, dtype=np.float32)
    items = np.full((n_items, factors), least, dtype=np.float32)
    if not matrix.nnz:
        return users, items
    scaled = sparse.diags_array(root, format="csr", dtype=np.float32) @ matrix
    left, values, right = randomized_svd(scaled, min(factors, n_rows, n_items), random_state=seed)
    for factor, value in enumerate(values):
        parts = [
            (np.maximum(sign * left[:, factor], 0), np.maximum(sign * right[factor], 0)) for sign in (1, -1)
        ]
        lengths = [
            (float(np.linalg.norm(of_users)), float(np.linalg.norm(of_items))) for of_users, of_items in parts
        ]
        chosen = max((0, 1), key=lambda sign: lengths[sign][0] * lengths[sign][1])
        weight = float(value) * lengths[chosen][0] * lengths[chosen][1]
        if weight <= 0:
            continue
        of_users, of_items = parts[chosen]
        for start, part, length in (
            (users, of_users / root, lengths[chosen][0]),
            (items, of_items, lengths[chosen][1]),
        ):
            filled = part > 0
            start[filled, factor] = np.sqrt(weight) * part[filled] / length
    return users, items


def _sweep(factors: FloatArray, targets: FloatArray, gram: FloatArray, penalty: float) -> None:
    """Solve each factor in turn for all rows at once, in place; none goes below zero."""
    for start in range(0, len(factors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # One line of memory for each factor: columns of the rows would be read with all that lies between.
        block, wanted = np.ascontiguousarray(factors[rows].T), np.ascontiguousarray(targets[rows].T)
        for factor in range(len(block)):
            # FAST HALS (Cichocki and Phan 2009): the exact minimum of one factor, all others fixed.
            curvature = gram[factor, factor] + penalty
            if curvature <= 0.0:
                continue
            column = block[factor]
            step = (wanted[factor] - gram[factor] @ block - penalty * column) / curvature
            np.maximum(column + step, 0.0, out=column)
        factors[rows] = block.T


ALGORITHM = Algorithm(
    NmfConfig,
    fit,
    Nmf,
    about="Non-negative matrix factorisation: users and items as mixtures of topics.",
    limits=f"{NEEDS_INTERACTIONS} A skip only takes back what else the user did with the same item.",
)
