"""Alternating least squares on implicit feedback (Hu, Koren, Volinsky 2008), solved by `implicit`.

Confidence: an observed pair counts 1 + alpha * strength, an unobserved one counts 1. The preference
of every observed pair is 1. `strength` of the config says how the raw strength is read first.

Small factors are multiplied, half a round, by the matrix of the observed pairs' confidences over the
regularisation: what has a singular value below it dies out, and everything does when the largest has. That
one is no smaller than the root mean square length of the columns, the unit of `relative` regularisation.
(Where confidences are alike, the same holds with a regularisation of each row's own, for powers from 0 to 1.)
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import NEEDS_INTERACTIONS, Algorithm, Config, Query
from training.models.core.bounds import MOST_FACTORS, MOST_POWER, MOST_ROUNDS
from training.models.core.data import Strength, TrainingData, transform, transform_matrix
from training.models.core.factors import FactorModel, column_length, distinct_rows
from training.models.core.least_squares import HalfRound, Side, mean_pairs, penalties_of, with_int32
from training.models.core.types import Csr, DoubleArray, FloatArray, IntArray, Report

BLOCK = 1 << 16
"""Rows of factors that are worked on in float64 at a time."""
STEPS = 3
"""Conjugate-gradient steps of a half round (Takacs, Pilaszy, Tikk 2011)."""

FINAL_STEPS = 10
"""Conjugate-gradient steps of the last solve for users: their stored factors then equal a fold-in."""

FOLDED_AT_ONCE = 1 << 17
"""Numbers of the histories' factors that are gathered at a time: a megabyte in float64."""


class AlsConfig(Config):
    """Section `als`."""

    factors: int = Field(ge=1, le=MOST_FACTORS)
    """Length of the vectors."""
    regularization: float = Field(ge=0)
    """Weight of the squared length of the vectors in the loss."""
    regularization_scale: Literal["relative", "absolute"]
    """relative: regularization is times the root mean square length of the items' columns of confidences
    (`column_length`), so one value holds for small and large histories, and below 1 something of each is
    left; absolute: it is taken as it is."""
    alpha: float = Field(ge=0)
    """How much more an observed pair counts for each unit of strength."""
    regularization_power: float = Field(ge=0, le=MOST_POWER)
    """A row of n pairs is regularised by (n / mean n) ^ regularization_power times as much (to the nearest
    power of CLASS_WIDTH): 0 is the same for all; 1 is the loss of explicit ALS (Zhou et al. 2008; for
    implicit data Rendle et al. 2022)."""
    iterations: int = Field(ge=1, le=MOST_ROUNDS)
    """Rounds of solving for users, then for items."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class Als(FactorModel):
    """Fitted ALS. The factors are turned so that `gram`, Y'Y + penalty * I, is diagonal.

    A history of m items is then folded in by a system of m equations, not one of d: exact, and cheap. It is
    solved in float64, so that what is left of rounding is that of the factors themselves, on any processor.
    """

    name: ClassVar[str] = "als"

    def fold_in(self, items: IntArray, weights: FloatArray) -> FloatArray:
        folded: FloatArray = self._fold_in_alike(items[None], weights[None])[0]
        return folded

    def fold_in_batch(self, histories: Csr) -> FloatArray:
        vectors = np.zeros((histories.shape[0], self.item_factors.shape[1]), dtype=np.float32)
        counts = np.diff(histories.indptr)
        for count in np.unique(counts[counts > 0]).tolist():
            rows = np.flatnonzero(counts == count)
            at_once = max(1, FOLDED_AT_ONCE // (count * vectors.shape[1]))
            for start in range(0, len(rows), at_once):
                some = rows[start : start + at_once]
                places = histories.indptr[some][:, None] + np.arange(count)
                vectors[some] = self._fold_in_alike(histories.indices[places], histories.data[places])
        return vectors

    def _fold_in_alike(self, items: IntArray, weights: FloatArray) -> FloatArray:
        """Factors of users with as many items each (int32[B, m], float32[B, m]): float32[B, d]."""
        chosen = self.item_factors[items].astype(np.float64)
        # Hu et al. 2008, eq. 4: (Y'Y + Y'(C - I)Y + penalty I) x = Y'C 1, where C - I is alpha * strength.
        extra = self.scalars["alpha"] * weights.astype(np.float64)
        count, factors = chosen.shape[1:]
        inverse = 1.0 / self._diagonal(count)
        # Push-through identity: with fewer items than factors the m x m system is the smaller one, and exact.
        if count <= factors:
            scaled = chosen * inverse
            system = extra[:, :, None] * (scaled @ chosen.transpose(0, 2, 1))
            # The identity of that system; on the right stand the confidences, since every preference is 1.
            system.reshape(len(system), count * count)[:, :: count + 1] += 1.0
            found = np.linalg.solve(system, (1.0 + extra)[:, :, None])
            return (found.transpose(0, 2, 1) @ scaled)[:, 0].astype(np.float32)
        across = chosen.transpose(0, 2, 1)
        system = np.diag(1.0 / inverse) + across @ (extra[:, :, None] * chosen)
        return np.linalg.solve(system, across @ (1.0 + extra)[:, :, None])[:, :, 0].astype(np.float32)

    def _diagonal(self, count: int) -> FloatArray:
        """Y'Y + the regularisation of a history of `count` items, float32[d]."""
        diagonal: FloatArray = np.diagonal(self.gram)
        power, base = self.scalars["regularization_power"], self.scalars["regularization"]
        if not power:
            return diagonal
        counts = np.array([count], dtype=np.int32)
        # gram holds the mean history's regularisation: take it off, and put on that of a history so long.
        return diagonal - np.float32(base) + penalties_of(counts, self.scalars["mean_items"], base, power)

    def contributions(self, query: Query, items: IntArray) -> FloatArray:
        """A score is the sum over the history of confidence × y_item' W y_history, where W is the inverse of
        the fold-in's system (Hu, Koren and Volinsky 2008, section 5)."""
        chosen = self.item_factors[query.items]
        extra = np.float32(self.scalars["alpha"]) * transform(query.weights, self.strength)
        system = np.diag(self._diagonal(len(query.items))) + chosen.T @ (extra[:, None] * chosen)
        weighted = np.linalg.solve(system, self.item_factors[items].T)
        return ((1.0 + extra) * (chosen @ weighted).T).astype(np.float32)


def fit(data: TrainingData, config: AlsConfig, seed: int, report: Report | None = None) -> Als:
    """Fit ALS. The same data, config and seed give the same model.

    Users with identical histories are solved once: their solutions are the same. In review data,
    where four of five users have one rating, that is most of the work.
    """
    from threadpoolctl import threadpool_limits

    strengths = transform_matrix(data.interactions, config.strength)
    confidence = _confidence(strengths, config.alpha)
    penalty = penalty_of(confidence, config)
    first, inverse = distinct_rows(strengths)
    # implicit has threads of its own: BLAS threads inside of them fight for the same cores.
    with threadpool_limits(limits=1, user_api="blas"):
        users, items = _alternate(confidence, (first, inverse), penalty, config, (seed, report))
        # float64: in float32 eigenvectors of close eigenvalues mix. Both sides turn alike, so X Y' stays.
        spectrum, basis = np.linalg.eigh(gram_of(items))
        _turn(users, basis)
        _turn(items, basis)
    scalars = {
        "alpha": config.alpha,
        "strength": config.strength,
        "regularization": penalty,
        "regularization_power": config.regularization_power,
        "mean_items": mean_pairs(confidence[first]),
    }
    # Rounding puts eigenvalues of a rank below d slightly under zero; a Gram matrix has none there.
    gram = np.diag(np.maximum(spectrum, 0.0) + penalty).astype(np.float32)
    return Als(items, users, inverse, gram, scalars)


def gram_of(factors: FloatArray) -> DoubleArray:
    """Y'Y in float64, float64[d, d]; a float64 copy of the factors is made of a block of rows at a time."""
    gram = np.zeros((factors.shape[1], factors.shape[1]))
    for start in range(0, len(factors), BLOCK):
        block = factors[start : start + BLOCK].astype(np.float64)
        gram += block.T @ block
    return gram


def _turn(factors: FloatArray, basis: DoubleArray) -> None:
    """Multiply factors by an orthogonal basis in place, computed in float64, a block of rows at a time."""
    for start in range(0, len(factors), BLOCK):
        factors[start : start + BLOCK] = factors[start : start + BLOCK] @ basis


def penalty_of(confidence: Csr, config: AlsConfig) -> float:
    """The weight of the squared length of the vectors, in the loss's own unit."""
    relative = config.regularization_scale == "relative"
    return config.regularization * (column_length(confidence) if relative else 1.0)


def _confidence(strengths: Csr, alpha: float) -> Csr:
    data = (1.0 + alpha * strengths.data).astype(np.float32)
    return sparse.csr_array((data, strengths.indices, strengths.indptr), shape=strengths.shape)


def _alternate(
    confidence: Csr,
    rows: tuple[IntArray, IntArray],
    penalty: float,
    config: AlsConfig,
    run: tuple[int, Report | None],
) -> tuple[FloatArray, FloatArray]:
    (first, inverse), (seed, report) = rows, run
    generator = np.random.default_rng(seed)
    by_user, by_item = with_int32(confidence[first]), with_int32(confidence.T.tocsr())
    # Users of one history have one vector: it stands for all of them.
    by_item.indices = inverse[by_item.indices]
    times = np.bincount(inverse, minlength=len(first)).astype(np.int32)
    penalties = [
        penalties_of(np.diff(pairs.indptr), mean_pairs(pairs), penalty, config.regularization_power)
        for pairs in (by_user, by_item)
    ]
    buffer = _start(generator, len(first), config.factors)
    users = buffer[: len(first)]
    items = _start(generator, confidence.shape[1], config.factors)[: confidence.shape[1]]
    # An item without a pair has no opinion: its random start would stay, and be scored.
    items[np.diff(by_item.indptr) == 0] = 0.0
    threads = _threads(config, seed)
    for iteration in range(config.iterations):
        HalfRound(by_user, Side(items), penalties[0]).solve(users, STEPS, threads)
        of_items = HalfRound(by_item, Side(users, times, buffer), penalties[1])
        of_items.solve(items, STEPS, threads)
        if report is not None and by_item.nnz:
            # Without the penalties where they differ by row.
            weight = 0.0 if config.regularization_power else penalty
            report(iteration + 1, {"loss": of_items.loss(items, weight, threads)})
    # Users last and to convergence: their stored factors then fit the items' final ones.
    HalfRound(by_user, Side(items), penalties[0]).solve(users, FINAL_STEPS, threads)
    return users, items


def _threads(config: AlsConfig, seed: int) -> int:
    """As many as `implicit` itself takes."""
    from implicit.cpu.als import AlternatingLeastSquares

    return int(AlternatingLeastSquares(factors=config.factors, random_state=seed).num_threads)


def _start(generator: np.random.Generator, rows: int, factors: int) -> FloatArray:
    """Small positive vectors, as `implicit` starts: centred on zero, it took ten times the rounds.

    float32[rows + factors, factors], of which the last ones are spare rows for `Side`.
    """
    buffer = np.zeros((rows + factors, factors), dtype=np.float32)
    generator.random(out=buffer[:rows], dtype=np.float32)
    buffer *= np.float32(0.01)
    return buffer


ALGORITHM = Algorithm(
    AlsConfig,
    fit,
    Als,
    about="Alternating least squares on implicit feedback: users who acted alike.",
    limits=NEEDS_INTERACTIONS,
)
