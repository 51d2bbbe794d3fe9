"""An encoder without a model, for tests that need near texts to be near."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class BagOfWords:
    """A deterministic encoder: a text is the sum of its words' random directions; shared words are near."""

    name = "bag"
    dimension = 96

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for place, text in enumerate(texts):
            for word in text.lower().replace(".", " ").replace(",", " ").split():
                vectors[place] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.dimension)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
