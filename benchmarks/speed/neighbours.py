"""Neighbours: pair rules and mlxtend's FP-Growth, TF-IDF neighbours and scikit-learn's cosines."""

from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.speed.compare import Benchmark, Pair
from training.models import tfidf
from training.models.core.data import Catalogue, TrainingData
from training.models.core.types import Csr
from training.models.core.vocabulary import Vocabulary
from training.models.fpgrowth import pair_counts
from training.models.tfidf import TfidfConfig
from training.params import load_params

_SUPPORT = 0.001
_BLOCK = 1000


def _rules(size: int) -> Pair:
    import pandas as pd
    from mlxtend.frequent_patterns import fpgrowth

    baskets = _baskets(size, size // 20)
    least = max(2, int(np.ceil(_SUPPORT * size)))
    sparse_frame: Any = pd.DataFrame.sparse
    frame = sparse_frame.from_spmatrix(sparse.csr_matrix(baskets.astype(bool)))
    # mlxtend wants names that are texts when the frame is sparse.
    frame.columns = [str(name) for name in frame.columns]

    def ours() -> Csr:
        return pair_counts(baskets, least)

    def reference() -> Any:
        return fpgrowth(frame, min_support=least / size, max_len=2)

    def agree(our: Any, their: Any) -> str:
        ordered = sparse.triu(our, 1).tocoo()
        found = dict(
            zip(zip(ordered.row.tolist(), ordered.col.tolist(), strict=True), ordered.data, strict=True)
        )
        pairs = their[their["itemsets"].map(len) == 2]
        expected = {
            tuple(sorted(int(item) for item in items)): round(support * size)
            for items, support in zip(pairs["itemsets"], pairs["support"], strict=True)
        }
        assert found == expected, f"{len(found)} pairs against {len(expected)}"
        return f"the same {len(found):,} pairs"

    return Pair(f"{size:,} baskets of {size // 20:,} items", ours, reference, agree)


def _baskets(count: int, n_items: int) -> Csr:
    """csr float32[count, n_items] of ones; a basket has 8 items on average, of a group as a rule."""
    draw = np.random.default_rng(0)
    lengths = 1 + draw.poisson(7, size=count)
    basket = np.repeat(np.arange(count), lengths)
    popular = (draw.random(len(basket)) ** 2 * n_items).astype(np.int64)
    group = np.repeat(draw.integers(50, size=count), lengths)
    item = np.where(
        draw.random(len(basket)) < 0.5, np.minimum(popular - popular % 50 + group, n_items - 1), popular
    )
    made = sparse.csr_array(
        sparse.coo_array((np.ones(len(basket), dtype=np.float32), (basket, item)), shape=(count, n_items))
    )
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def _words(size: int) -> Pair:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    config = load_params().section(TfidfConfig)
    titles = _titles(size)
    ids = Vocabulary.build([f"{number:09d}" for number in range(size)])
    empty = sparse.csr_array((1, size), dtype=np.float32)
    data = TrainingData(
        items=ids,
        users=Vocabulary.build(["nobody"]),
        interactions=empty,
        catalogue=Catalogue(titles, titles[:0]),
    )

    def ours() -> Any:
        return tfidf.fit(data, config, 0)

    def reference() -> Any:
        words = TfidfVectorizer(dtype=np.float32, sublinear_tf=True, token_pattern=r"\w+").fit_transform(
            titles
        )
        best = []
        for start in range(0, size, _BLOCK):
            cosines = cosine_similarity(words[start : start + _BLOCK], words)
            rows = np.arange(len(cosines))
            cosines[rows, rows + start] = 0.0
            chosen = np.argpartition(-cosines, config.neighbours, axis=1)[:, : config.neighbours]
            best.append(cosines[rows[:, None], chosen])
        return np.concatenate(best)

    def agree(our: Any, their: Any) -> str:
        worst = 0.0
        for item in np.random.default_rng(0).integers(size, size=500).tolist():
            _, weights = our.row(item)
            expected = np.sort(their[item][their[item] > config.min_similarity])
            assert len(weights) == len(expected), (
                f"item {item}: {len(weights)} neighbours against {len(expected)}"
            )
            worst = max(worst, float(np.abs(np.sort(weights) - expected).max(initial=0.0)))
        assert worst < 1e-5, f"cosines differ by {worst}"
        return f"cosines of 500 items equal to {worst:.0e}"

    return Pair(f"{size:,} titles", ours, reference, agree)


def _titles(count: int) -> tuple[str, ...]:
    """Titles of 4 to 12 words, a few of which stand in many titles."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(4, 13, size=count)
    vocabulary = max(100, count // 4)
    words = (draw.random(int(lengths.sum())) ** 3 * vocabulary).astype(np.int64).tolist()
    ends = np.cumsum(lengths).tolist()
    return tuple(
        " ".join(f"w{word}" for word in words[end - length : end])
        for end, length in zip(ends, lengths.tolist(), strict=True)
    )


BENCHMARKS = (
    Benchmark("rules", "pair rules of baskets", "mlxtend's fpgrowth(max_len=2)", 1 / 50, _rules, 100_000, 11),
    Benchmark(
        "tfidf", "TF-IDF neighbours", "scikit-learn's cosines, argpartition", 1 / 2.5, _words, 99_000, 12, 0.1
    ),
)
