"""EASE: a linear item x item model in closed form (Steck 2019).

The last bits of the solution depend on how BLAS shares the work out. Up to ONE_THREAD items it gets one
thread, and the same processor gives the same model whatever its number of cores; for more items all cores are
worth more than that, and the weights are the same within rounding.
"""

import logging
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import linalg, sparse

from training.models.core.base import NEEDS_INTERACTIONS, Algorithm, Config
from training.models.core.data import Strength, TrainingData, transform_matrix
from training.models.core.neighbours import NeighbourModel
from training.models.core.rounding import zero_rounding
from training.models.core.types import Csr, FloatArray, Report

logger = logging.getLogger(__name__)

BLOCK = 1024
"""Columns that are copied at a time."""

ONE_THREAD = 8000
"""Items up to which one thread solves: seconds for 4,000, tens of seconds for 8,000, eight times as long for
twice as many."""


class EaseConfig(Config):
    """Section `ease`."""

    l2: float = Field(gt=0)
    """Added to the diagonal of the Gram matrix."""
    max_items: int = Field(ge=1, le=46_000)
    """Of a larger catalogue only so many items, those with the most users, are solved for: the dense matrix
    takes 4 bytes x items squared, the time grows with their cube. LAPACK's 32-bit indexes end at 46,340."""
    neighbours: int = Field(ge=1)
    """Weights kept for each item in the served form."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class Ease(NeighbourModel):
    """Row j of B: what having item j adds to the score of each other item; the largest weights only."""

    name: ClassVar[str] = "ease"


def fit(data: TrainingData, config: EaseConfig, seed: int, report: Report | None = None) -> Ease:
    """Solve for B and keep each item's largest weights. Uses no randomness.

    Of a catalogue above `max_items`, the items with the most users are solved for; of the others, the
    model has no opinion.
    """
    matrix = transform_matrix(data.interactions, config.strength)
    # Stable sort: of items with equally many users the lower index is kept, whatever the platform.
    users = np.bincount(matrix.indices, minlength=data.n_items)
    head = np.sort(np.argsort(-users, kind="stable")[: config.max_items])
    if len(head) < data.n_items:
        logger.warning(
            "EASE covers only the %d items with the most users, of %d (ease.max_items).",
            len(head),
            data.n_items,
        )
    solved = _sparsify(weights(matrix.tocsc()[:, head], config.l2), config.neighbours).tocoo()
    entries = (solved.data, (head[solved.row], head[solved.col]))
    whole = sparse.csr_array(entries, shape=(data.n_items, data.n_items))
    return Ease.of(whole, {"strength": config.strength})


def weights(matrix: Csr, l2: float) -> FloatArray:
    """The dense B, float32[n_items, n_items], with a zero diagonal; one buffer is used throughout.

    Weights that are nothing but rounding are zero.

    Args:
        matrix: csr or csc float32[n_users, n_items].
        l2: added to the diagonal of the Gram matrix.

    Raises numpy.linalg.LinAlgError when the Gram matrix has no inverse: `l2` is too small.
    """
    from threadpoolctl import threadpool_limits

    # Steck 2019: B = I - P diag(1 / P_jj), with P = (X'X + l2 I)^-1.
    with threadpool_limits(limits=1 if matrix.shape[1] <= ONE_THREAD else None, user_api="blas"):
        inverse = _inverse(_gram(matrix, l2))
    # _inverse fills the lower triangle only: mirror it block by block, without a second matrix.
    for start in range(0, len(inverse), BLOCK):
        end = start + BLOCK
        square = np.tril(inverse[start:end, start:end])
        inverse[start:end, start:end] = square + np.tril(square, -1).T
        inverse[start:end, end:] = inverse[end:, start:end].T
    # A copy: the division below overwrites the diagonal while it is read.
    diagonal = np.diag(inverse).copy()
    lengths = np.sqrt(diagonal)
    for start in range(0, len(inverse), BLOCK):
        # An entry is the product of two columns of the factor's inverse; the diagonal, of one with itself.
        magnitude = lengths[:, None] * lengths[start : start + BLOCK]
        zero_rounding(inverse[:, start : start + BLOCK], magnitude, len(inverse))
    np.divide(inverse, -diagonal[None, :], out=inverse)
    # The constraint of EASE: no item may predict itself.
    np.fill_diagonal(inverse, 0.0)
    return inverse


def _inverse(gram: FloatArray) -> FloatArray:
    """The lower half of a positive definite matrix's inverse, in the place of the matrix (`weights`)."""
    # float32, in place: at 20,000 items one more copy is 1.6 GB, and l2 keeps the matrix well conditioned.
    factor, info = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if info != 0:
        raise np.linalg.LinAlgError(f"the Gram matrix is not positive definite (spotrf {info})")
    inverse: FloatArray
    inverse, info = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"the Gram matrix has no inverse (spotri {info})")
    return inverse


def _gram(matrix: Csr, l2: float) -> FloatArray:
    """X'X + l2 I, float32 in Fortran's order, filled a block of columns at a time."""
    columns, rows = sparse.csc_array(matrix), sparse.csr_array(matrix.T)
    n_items = matrix.shape[1]
    # Fortran's order is LAPACK's: C order would be copied by f2py before the solve.
    gram = np.empty((n_items, n_items), dtype=np.float32, order="F")
    for start in range(0, n_items, BLOCK):
        gram[:, start : start + BLOCK] = (rows @ columns[:, start : start + BLOCK]).toarray()
    gram[np.diag_indices_from(gram)] += np.float32(l2)
    return gram


def _sparsify(dense: FloatArray, count: int) -> Csr:
    """The `count` largest weights of each column: what each item is predicted from."""
    n_items = len(dense)
    if count >= n_items:
        return sparse.csr_array(dense)
    blocks = []
    for start in range(0, n_items, BLOCK):
        part = dense[:, start : start + BLOCK]
        # Largest by size: negative weights say as much as positive ones.
        chosen = np.argpartition(-np.abs(part), count - 1, axis=0)[:count]
        columns = np.broadcast_to(np.arange(part.shape[1]), chosen.shape)
        entries = (part[chosen, columns].ravel(), (chosen.ravel(), columns.ravel()))
        blocks.append(sparse.csc_array(entries, shape=part.shape))
    return sparse.hstack(blocks, format="csr")


ALGORITHM = Algorithm(
    EaseConfig,
    fit,
    Ease,
    about="Challenger: a linear item-to-item model in closed form.",
    limits=f"{NEEDS_INTERACTIONS} Above `max_items` it covers only the items with the most users.",
)
