import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from training.models.core import low_precision
from training.models.core.encoder import Encoder
from training.models.core.types import FloatArray

pytestmark = [
    pytest.mark.slow,  # the import of torch
    pytest.mark.skipif(not low_precision.available(), reason="OpenVINO is installed on Linux on x86-64 only"),
]

MODEL = "all-MiniLM-L6-v2"
COLOURS = ("red", "navy blue", "white", "ivory", "gold")
THINGS = ("mug", "tea towel", "garden lantern", "wooden photo frame", "phone case", "set of six wine glasses")
ENDS = (
    "",
    "with floral pattern",
    "250 ml, microwave safe, in a gift box with a ribbon",
    "for children, pack of 2",
)


@pytest.fixture(scope="module")
def titles() -> list[str]:
    return [f"{colour} {thing} {end}".strip() for colour in COLOURS for thing in THINGS for end in ENDS]


@pytest.fixture(scope="module", params=["bfloat16", "int8"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "bfloat16" and not low_precision.multiplies_bfloat16():
        pytest.skip("this processor has no units for products of bfloat16")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(low_precision, "multiplies_bfloat16", lambda: request.param == "bfloat16")
        return Encoder(MODEL)


@pytest.fixture(scope="module")
def exact() -> Encoder:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(low_precision, "available", lambda: False)
        return Encoder(MODEL)


def neighbours(vectors: FloatArray, count: int) -> list[set[int]]:
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return [set(row) for row in np.argsort(-near, axis=1)[:, :count].tolist()]


def test_vectors_are_near_those_of_32_bits_and_have_the_same_neighbours(
    encoder: Encoder, exact: Encoder, titles: list[str]
) -> None:
    rounded, plain = encoder.encode(titles), exact.encode(titles)
    assert not np.array_equal(rounded, plain), "fewer bits were not used"
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1.0, atol=1e-5)
    assert (rounded * plain).sum(axis=1).min() > 0.997
    both = zip(neighbours(rounded, 10), neighbours(plain, 10), strict=True)
    assert np.mean([len(left & right) / 10 for left, right in both]) > 0.93


def test_a_text_has_the_same_vector_in_any_company(encoder: Encoder, titles: list[str]) -> None:
    together = encoder.encode(titles)
    order = np.random.default_rng(0).permutation(len(titles))
    shuffled = encoder.encode([titles[place] for place in order])
    np.testing.assert_array_equal(shuffled, together[order])
    for place in order[:10].tolist():
        np.testing.assert_array_equal(encoder.encode([titles[place]])[0], together[place])
        pair = encoder.encode([titles[place], "a much longer text that the other would be filled up to"])
        np.testing.assert_array_equal(pair[0], together[place])


def test_several_threads_encode_at_once(encoder: Encoder, titles: list[str]) -> None:
    parts = [titles[start::4] for start in range(4)] * 3
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(encoder.encode, parts))
    for part, vectors in zip(parts, found, strict=True):
        np.testing.assert_array_equal(vectors, encoder.encode(part))


def test_counting_tokens_leaves_alone_how_another_thread_fills_texts_up(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    model = encoder._model
    encoder.encode(["red mug"])
    preprocess = model.preprocess

    def meanwhile(*args: object, **kwargs: object) -> object:
        encoder._lengths(["of another thread", "its batch"])
        seen.append(model.tokenizer.backend_tokenizer.padding)
        return preprocess(*args, **kwargs)

    monkeypatch.setattr(model, "preprocess", meanwhile)
    encoder.encode(["a red mug", "mug"])
    assert len(seen) == 2 and None not in seen


def test_a_model_whose_vectors_would_move_too_far_is_computed_in_32_bits(
    exact: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(low_precision, "LEAST_COSINE", 0.99999)
    careful = Encoder(MODEL)
    assert "in 32 bits" in caplog.text and "under 0.99999" in caplog.text
    np.testing.assert_array_equal(careful.encode(["red mug"]), exact.encode(["red mug"]))


def test_a_model_that_openvino_does_not_understand_is_computed_in_32_bits(
    exact: Encoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(low_precision, "_openvino", lambda: SimpleNamespace(convert_model=refuse))
    plain = Encoder(MODEL)
    assert "BertModel can't be converted: no such operation" in caplog.text
    np.testing.assert_array_equal(plain.encode(["red mug"]), exact.encode(["red mug"]))


def test_a_model_without_a_transformer_is_left_alone() -> None:
    with pytest.raises(low_precision.LowPrecisionError, match="no transformer"):
        low_precision.compute_in_low_precision([SimpleNamespace()])


def test_nothing_is_reported_to_the_makers_of_the_library(encoder: Encoder) -> None:
    assert "openvino" in sys.modules
    assert sys.modules["openvino_telemetry"] is None
