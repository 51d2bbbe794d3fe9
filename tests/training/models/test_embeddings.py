"""Items near in meaning to a history, or to another item."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from training.models import embeddings
from training.models.core.base import Query
from training.models.core.data import TrainingData
from training.models.core.storage import ModelFileError
from training.models.core.types import FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.embeddings import Embeddings, EmbeddingsConfig, fit


def data_of(vectors: FloatArray | None, count: int) -> TrainingData:
    empty = sparse.csr_array((0, count), dtype=np.float32)
    items = Vocabulary.build(f"{i:05d}" for i in range(count))
    return TrainingData(items, Vocabulary.build([]), empty, vectors=vectors)


@pytest.mark.parametrize("flat_below", [100, 5000])
def test_similar_items_are_of_the_same_cluster(vectors: FloatArray, flat_below: int) -> None:
    config = EmbeddingsConfig(model="none", flat_below=flat_below, nprobe=16)
    model = fit(data_of(vectors, 2000), config, 0)
    items, cosines = model.similar(45, 5)
    assert 45 not in items
    assert set((items // 20).tolist()) == {2}
    assert (np.diff(cosines) <= 0).all()


def test_items_without_a_text_are_never_near(vectors: FloatArray) -> None:
    some = vectors[:50].copy()
    some[7] = 0.0
    model = fit(data_of(some, 50), EmbeddingsConfig(model="none", flat_below=100, nprobe=1), 0)
    assert 7 not in model.similar(3, 49)[0]
    assert len(model.similar(7, 5)[0]) == 0


def test_recall_is_reported_on_every_build(vectors: FloatArray) -> None:
    measured: dict[str, float] = {}
    config = EmbeddingsConfig(model="none", flat_below=5000, nprobe=1)
    model = fit(data_of(vectors, 2000), config, 0, lambda _, found: measured.update(found))
    assert measured == {"index_recall_at_10": 1.0}
    assert model.report.recall_at_10 == 1.0


def test_data_without_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="no item has a vector"):
        fit(data_of(None, 3), EmbeddingsConfig(model="none", flat_below=10, nprobe=1), 0)


def test_a_missing_index_file_is_named(vectors: FloatArray, tmp_path: Path) -> None:
    fit(data_of(vectors, 2000), EmbeddingsConfig(model="none", flat_below=5000, nprobe=1), 0).save(tmp_path)
    (tmp_path / "index.faiss").unlink()
    with pytest.raises(ModelFileError, match=r"index\.faiss is missing"):
        Embeddings.load(tmp_path)


def test_what_is_excluded_takes_no_place_among_the_nearest(
    vectors: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the nearest few of a large catalogue are scored."""
    monkeypatch.setattr(embeddings, "SCORED_WHOLE", 100)
    monkeypatch.setattr(embeddings, "CANDIDATES", 5)
    model = fit(data_of(vectors, 2000), EmbeddingsConfig(model="m", flat_below=100, nprobe=1000), 0)
    asked = np.array([0], dtype=np.int32)
    weight = np.ones(1, np.float32)
    nearest_ten = np.argsort(-(vectors @ vectors[0]), kind="stable")[:10]
    first = np.flatnonzero(model.scores(Query(asked, weight)))
    assert set(first) == set(nearest_ten[:5])
    excluded = np.sort(nearest_ten[:5]).astype(np.int32)
    others = set(np.flatnonzero(model.scores(Query(asked, weight, exclude=excluded)))) - set(excluded)
    assert others == set(nearest_ten[5:])
