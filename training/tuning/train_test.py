"""A train and a test file as arrays, and a validation part cut from the train file."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from training.data.split import new_pairs
from training.evaluation.ranking import TestSet
from training.models.core.data import Events, TrainingData
from training.models.core.types import BoolArray, BytesArray, Csr, DoubleArray, IntArray, LongArray
from training.models.core.vocabulary import Vocabulary
from training.tuning.pairs_file import Pairs


@dataclass(frozen=True)
class Problem:
    """A train and a test file, over common vocabularies."""

    train: TrainingData
    pair_times: DoubleArray | None
    """Time of each stored pair of `train.interactions`, its last; None unless the test begins where the train
    file ends."""
    truth: Csr
    """csr[n_users, n_items]: the test's pairs that are not in train."""
    repeated: int
    """Pairs of the test that stand in train too; they cannot be recommended and are left out."""


def open_problem(train: Pairs, test: Pairs) -> Problem:
    """Put both files over one vocabulary of users and one of items."""
    users = Vocabulary(np.unique(np.concatenate([train.users, test.users])))
    items = Vocabulary(np.unique(np.concatenate([train.items, test.items])))
    shape = (len(users), len(items))
    user, item = _positions(users, train.users), _positions(items, train.items)
    seen = _matrix(user, item, shape)
    times: DoubleArray | None = None
    events = Events.empty()
    if train.times is not None:
        order = np.argsort(train.times, kind="stable")
        seconds = train.times[order].astype(np.int64)
        events = Events(user[order], item[order], np.ones(len(order), dtype=np.float32), seconds)
        if test.times is not None and test.times.min() >= train.times.max():
            times = np.full(seen.nnz, -np.inf)
            # `at`: a pair may stand in the file several times, and plain indexing would keep any of them.
            np.maximum.at(times, _stored(seen, user, item), train.times)
    wanted = _matrix(_positions(users, test.users), _positions(items, test.items), shape)
    truth = new_pairs(wanted, seen)
    data = TrainingData(items, users, seen, events)
    return Problem(data, times, truth, wanted.nnz - truth.nnz)


def cut_validation(problem: Problem, share: float, seed: int) -> tuple[TrainingData, TestSet]:
    """Hold out `share` of the train file's pairs, as the test was held out.

    Where all of the test is later than the train file, the latest pairs; else pairs drawn for each user, who
    keeps one at least. With the latest pairs of a file that was not split by time, most users of the
    validation part would be unknown: a model for the few others is not the best one for the test.
    """
    seen = problem.train.interactions
    if problem.pair_times is not None:
        # Strictly later: pairs at the very moment of the cut stay, so a file of one moment holds none out.
        held = problem.pair_times > np.quantile(problem.pair_times, 1.0 - share)
    else:
        held = _draw(seen, share, seed)
    learned, truth = _part(seen, ~held), _part(seen, held)
    truth.data[:] = 1.0
    events = problem.train.events
    if len(events):
        events = events.where(~held[_stored(seen, events.user, events.item)])
    data = TrainingData(problem.train.items, problem.train.users, learned, events)
    return data, TestSet.build(learned, truth, None)


def _draw(seen: Csr, share: float, seed: int) -> BoolArray:
    generator = np.random.default_rng(seed)
    sizes = np.diff(seen.indptr)
    user = np.repeat(np.arange(len(sizes)), sizes)
    # Pairs by user, shuffled within each.
    order = np.lexsort((generator.random(seen.nnz), user))
    place = np.arange(seen.nnz) - np.repeat(seen.indptr[:-1], sizes)
    # A fraction of a pair is a chance of one more: users with few pairs are held out from too.
    counts = np.floor(sizes * share + generator.random(len(sizes)))
    # Each user keeps a pair to be known by.
    counts = np.minimum(counts, sizes - 1)
    held = np.zeros(seen.nnz, dtype=bool)
    held[order] = place < counts[user]
    return held


def _positions(vocabulary: Vocabulary, ids: BytesArray) -> IntArray:
    return np.searchsorted(vocabulary.ids, ids.astype(vocabulary.ids.dtype)).astype(np.int32)


def _matrix(user: IntArray, item: IntArray, shape: tuple[int, int]) -> Csr:
    """How often each pair stands in the file, csr float32, sorted."""
    counts = sparse.coo_array((np.ones(len(user), dtype=np.float32), (user, item)), shape=shape).tocsr()
    counts.sum_duplicates()
    return counts


def _stored(matrix: Csr, user: IntArray, item: IntArray) -> LongArray:
    """Where each pair is stored in the sorted matrix, int64[n]."""
    width = matrix.shape[1]
    keys = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * width + matrix.indices
    places: LongArray = np.searchsorted(keys, user.astype(np.int64) * width + item)
    return places


def _part(matrix: Csr, kept: BoolArray) -> Csr:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[kept]
    return sparse.csr_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)
