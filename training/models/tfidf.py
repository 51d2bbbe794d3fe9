"""TF-IDF neighbours: items whose name and sub-category use the same rare words."""

import re
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import Algorithm, Config
from training.models.core.data import TrainingData
from training.models.core.neighbours import NeighbourModel, keep_top
from training.models.core.types import Csr, Report

BLOCK_ENTRIES = 2**22
"""Cosines that are held at a time (float32, so 16 MiB)."""

_WORD = re.compile(r"\b\w+\b")


class TfidfConfig(Config):
    """Section `tfidf`."""

    neighbours: int = Field(ge=1)
    """Neighbours kept for each item."""
    min_similarity: float = Field(ge=0, le=1)
    """Neighbours below this cosine are dropped."""


class Tfidf(NeighbourModel):
    """Row j: the items most like item j, with the cosine of their words."""

    name: ClassVar[str] = "tfidf"


def fit(data: TrainingData, config: TfidfConfig, seed: int, report: Report | None = None) -> Tfidf:
    """Find each item's neighbours; the full similarity matrix is never formed. Uses no randomness."""
    words = _vectorise(data)
    return Tfidf.of(_neighbours(words, config), {"strength": "log1p"})


def _vectorise(data: TrainingData) -> Csr:
    """L2-normalised TF-IDF rows csr float32[n_items, words]; the sub-category's words are marked as such."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    subs = data.catalogue.sub_categories or ("",) * data.n_items
    titles = data.catalogue.titles or ("",) * data.n_items
    # The sub-category's words are marked: "light" in a name and in a sub-category are two terms.
    texts = [
        " ".join([title, *(f"sub_category_{word}" for word in sub.lower().split())])
        for title, sub in zip(titles, subs, strict=True)
    ]
    if not any(_WORD.search(text) for text in texts):
        return sparse.csr_array((data.n_items, 1), dtype=np.float32)
    # Sublinear: a repeated word adds little. The default pattern would drop sizes of one letter.
    vectoriser = TfidfVectorizer(dtype=np.float32, sublinear_tf=True, token_pattern=_WORD.pattern)
    return sparse.csr_array(vectoriser.fit_transform(texts))


def _neighbours(words: Csr, config: TfidfConfig) -> Csr:
    """The best of each row of words @ words.T, the diagonal left out; of equal ones the lower items."""
    from sklearn.utils.sparsefuncs import sparse_matmul_to_dense

    n_items = words.shape[0]
    height, others = max(1, BLOCK_ENTRIES // max(1, n_items)), words.T.tocsr()
    blocks = []
    for start in range(0, max(n_items, 1), height):
        # Laid out flat, a block's entries come in order; those of a sparse product would have to be sorted.
        block = sparse_matmul_to_dense(words[start : start + height], others)
        np.fill_diagonal(block[:, start:], 0)
        row, column = np.divmod(np.flatnonzero(block > config.min_similarity), max(n_items, 1))
        # A catalogue's numbers fit 32 bits, and all blocks' stand side by side in the end.
        row, column = row.astype(np.int32), column.astype(np.int32)
        found = sparse.csr_array((block[row, column], (row, column)), shape=block.shape)
        blocks.append(keep_top(found, config.neighbours))
    return sparse.vstack(blocks, format="csr")


ALGORITHM = Algorithm(
    TfidfConfig,
    fit,
    Tfidf,
    about="TF-IDF neighbours: items whose name and sub-category use the same rare words.",
    limits="Items without text have no neighbours; user behaviour is ignored.",
    of_catalogue=True,
)
