"""Encoding a catalogue: our encoder, and sentence-transformers as it is installed."""

from typing import Any

import numpy as np

from benchmarks.speed.compare import Benchmark, Pair
from training.models.core.encoder import Encoder, folder_of
from training.models.core.types import FloatArray
from training.params import load_params

DEPTH = 10
_QUERIES = 500
_OVERLAP = 0.95
_THINGS = (
    "mug|tea towel|garden lantern|wooden photo frame|phone case|wine glass|usb cable|desk lamp|"
    "running shoe|wool scarf|paper chain kit|bicycle bell|door mat|baking tin|wall clock|jigsaw|"
    "water bottle|winter coat|kitchen knife|headphones|fountain pen|cat bed|yoga mat|tent"
)
_KINDS = (
    "red|navy blue|white|ivory|stainless steel|leather|vintage|folding|hand-painted|slim|heavy duty|"
    "bamboo|personalised|waterproof|mini|extra large|organic cotton|retro spot"
)
_ENDS = (
    "with floral pattern|microwave safe, 250 ml, in a gift box with a ribbon|for children|pack of 2|"
    "with charger, carry bag and a spare battery that lasts 30 hours|for outdoor use|set of 6|"
    "size 42|compatible with all models since 2019|by Harper & Lowe|with 2 year warranty|no. 7"
)


def _encode(size: int) -> Pair:
    from sentence_transformers import SentenceTransformer

    name = load_params().embeddings.model
    titles = titles_of(size)
    encoder = Encoder(name)
    plain = SentenceTransformer(folder_of(name), device="cpu", local_files_only=True)

    def ours() -> FloatArray:
        return encoder.encode(titles)

    def reference() -> FloatArray:
        return np.asarray(plain.encode(titles, normalize_embeddings=True, show_progress_bar=False))

    def agree(our: Any, their: Any) -> str:
        asked = np.random.default_rng(0).permutation(size)[:_QUERIES]
        both = zip(_nearest(our, asked), _nearest(their, asked), strict=True)
        overlap = float(np.mean([len(np.intersect1d(a, b)) for a, b in both])) / DEPTH
        cosine = float((our * their).sum(axis=1).min())
        said = f"top-{DEPTH} overlap {overlap:.3f}, cosines of {cosine:.4f} or more"
        assert overlap >= _OVERLAP, said
        return said

    return Pair(f"{size:,} titles", ours, reference, agree)


def titles_of(count: int) -> list[str]:
    """Different titles of 3 to some 30 words, drawn from small lists."""
    draw = np.random.default_rng(0)
    things, all_kinds, all_ends = (each.split("|") for each in (_THINGS, _KINDS, _ENDS))
    found: dict[str, None] = {}
    while len(found) < count:
        kinds = draw.permutation(len(all_kinds))[: draw.integers(1, 4)]
        ends = draw.permutation(len(all_ends))[: draw.integers(0, 4)]
        thing = things[draw.integers(len(things))]
        found[" ".join([*(all_kinds[kind] for kind in kinds), thing, *(all_ends[end] for end in ends)])] = (
            None
        )
    return list(found)


def _nearest(vectors: FloatArray, asked: Any) -> Any:
    cosines = vectors[asked] @ vectors.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    return np.argpartition(-cosines, DEPTH, axis=1)[:, :DEPTH]


BENCHMARKS = (
    Benchmark("texts", "encoding titles", "sentence-transformers by default", 1 / 3, _encode, 5_000, 10),
)
