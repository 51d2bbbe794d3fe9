from pathlib import Path

import numpy as np
import pytest

from training.models.core.vocabulary import Vocabulary


def test_an_id_and_its_index_lead_to_each_other() -> None:
    vocabulary = Vocabulary.build(["b", "a", "ünïcode", "b"])
    assert len(vocabulary) == 3
    assert [vocabulary.index(vocabulary.id(i)) for i in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("unknown", ["", "aa", "c", "a very much longer id than any", "zzz"])
def test_an_unknown_id_has_index_minus_one(unknown: str) -> None:
    vocabulary = Vocabulary.build(["a", "b", "ccc"])
    assert vocabulary.index(unknown) == -1
    assert vocabulary.indexes([unknown, "b"]).tolist() == [-1, 1]


def test_an_empty_vocabulary_knows_nothing() -> None:
    vocabulary = Vocabulary.build([])
    assert vocabulary.index("a") == -1
    assert vocabulary.indexes(["a"]).tolist() == [-1]
    assert vocabulary.indexes([]).tolist() == []


def test_an_index_outside_is_an_error() -> None:
    with pytest.raises(IndexError, match="outside a vocabulary of 1"):
        Vocabulary.build(["a"]).id(-1)


def test_comes_back_memory_mapped(tmp_path: Path) -> None:
    Vocabulary.build(["x", "y"]).save(tmp_path / "ids.npy")
    opened = Vocabulary.load(tmp_path / "ids.npy")
    assert isinstance(opened.ids, np.memmap)
    assert opened.decode(np.array([1, 0], dtype=np.int32)) == ["y", "x"]
