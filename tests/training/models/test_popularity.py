import numpy as np
from scipy import sparse

from training.models.core.base import Query
from training.models.core.data import Events, TrainingData, net_strengths
from training.models.core.vocabulary import Vocabulary
from training.models.popularity import DAY, PopularityConfig, fit


def data_of(*events: tuple[int, int, float, int]) -> TrainingData:
    user, item, weight, day = (np.array(column) for column in zip(*events, strict=True))
    table = Events(user, item, weight.astype(np.float32), day.astype(np.int64) * DAY)
    matrix = net_strengths(table.user, table.item, table.weight, (4, 3))
    return TrainingData(
        Vocabulary.build("abc"), Vocabulary.build("wxyz"), sparse.csr_array(matrix), events=table
    )


def test_recent_users_count_and_older_ones_break_ties() -> None:
    data = data_of((0, 0, 1, 0), (1, 0, 1, 0), (2, 0, 1, 0), (0, 1, 1, 99), (1, 2, 1, 99), (2, 2, 1, 0))
    assert fit(data, PopularityConfig(window_days=10), 0).recommend(Query(), 3)[0].tolist() == [2, 1, 0]
    assert fit(data, PopularityConfig(window_days=0), 0).recommend(Query(), 3)[0].tolist() == [0, 2, 1]


def test_a_user_counts_once_and_a_skip_not_at_all() -> None:
    data = data_of((0, 0, 1, 9), (0, 0, 1, 9), (0, 1, 1, 9), (1, 1, 1, 9), (0, 2, -1, 9), (1, 2, -1, 9))
    assert fit(data, PopularityConfig(window_days=10), 0).recent.tolist() == [1, 2, 0]
