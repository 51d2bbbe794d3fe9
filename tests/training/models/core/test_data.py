import numpy as np

from training.models.core.data import net_strengths, transform, transform_matrix


def strengths(*events: tuple[int, int, float]) -> list[list[float]]:
    user, item, weight = (np.array(column) for column in zip(*events, strict=True))
    matrix = net_strengths(user.astype(np.int32), item.astype(np.int32), weight.astype(np.float32), (2, 3))
    assert matrix.nnz == np.count_nonzero(matrix.toarray())
    rows: list[list[float]] = matrix.toarray().tolist()
    return rows


def test_the_events_of_a_pair_are_added() -> None:
    assert strengths((0, 1, 2.0), (0, 1, 5.0), (1, 2, 1.0)) == [[0, 7, 0], [0, 0, 1]]


def test_a_skip_takes_back_part_of_a_click() -> None:
    assert strengths((0, 1, 2.0), (0, 1, -1.0)) == [[0, 1, 0], [0, 0, 0]]


def test_a_pair_that_was_only_skipped_is_as_if_never_seen() -> None:
    assert strengths((0, 0, -1.0), (0, 0, -1.0), (1, 1, 1.0), (1, 1, -1.0)) == [[0, 0, 0], [0, 0, 0]]


def test_how_strengths_are_read() -> None:
    raw = np.array([1.0, 5.0], dtype=np.float32)
    assert transform(raw, "linear").tolist() == [1, 5]
    assert transform(raw, "binary").tolist() == [1, 1]
    np.testing.assert_allclose(transform(raw, "log1p"), np.log([2.0, 6.0]), rtol=1e-6)


def test_reading_a_matrix_leaves_it_as_it_was() -> None:
    matrix = net_strengths(np.array([0]), np.array([2]), np.array([5.0], dtype=np.float32), (1, 3))
    assert transform_matrix(matrix, "binary").toarray().tolist() == [[0, 0, 1]]
    assert matrix.toarray().tolist() == [[0, 0, 5]]
