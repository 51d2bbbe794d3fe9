"""Names without a word: the text model is then empty, and training goes on."""

import numpy as np
import pytest
from scipy import sparse

from training.models.core.base import Config, Query
from training.models.core.data import Catalogue, TrainingData
from training.models.core.vocabulary import Vocabulary
from training.models.registry import fit_model


@pytest.mark.parametrize(
    "titles", [("", "", ""), ("!!!", "—", "★ ★"), (" ", "\t", "…"), ("👍", "🎁🎁", "()")], ids=repr
)
def test_titles_without_a_word_give_an_empty_model(
    titles: tuple[str, ...], configs: dict[str, Config]
) -> None:
    items, users = Vocabulary.build("abc"), Vocabulary.build(["ann"])
    seen = sparse.csr_array(np.ones((1, 3), dtype=np.float32))
    data = TrainingData(items, users, seen, catalogue=Catalogue(titles=titles))
    model = fit_model("tfidf", data, configs["tfidf"], 1)
    assert not model.scores(Query(np.array([0], dtype=np.int32), np.ones(1, dtype=np.float32))).any()


def test_one_title_with_a_word_is_enough(configs: dict[str, Config]) -> None:
    items, users = Vocabulary.build("abc"), Vocabulary.build(["ann"])
    seen = sparse.csr_array(np.ones((1, 3), dtype=np.float32))
    data = TrainingData(items, users, seen, catalogue=Catalogue(titles=("!!!", "tea pot", "tea")))
    model = fit_model("tfidf", data, configs["tfidf"], 1)
    scores = model.scores(Query(np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32)))
    assert scores[2] > 0 and scores[0] == 0
