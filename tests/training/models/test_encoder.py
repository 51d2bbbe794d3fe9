import socket
from collections.abc import Sequence

import numpy as np
import pytest

from training.models.encoder import Encoded, Encoder, EncoderError, encode_changed
from training.models.types import FloatArray


class Counting:
    """Encodes a text as its length, and remembers what it was asked for."""

    name = "counting"
    dimension = 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.asked += texts
        return np.array([[len(text)] for text in texts], dtype=np.float32).reshape(-1, 1)


def test_only_changed_texts_are_encoded_again() -> None:
    encoder = Counting()
    first, count = encode_changed(["aa", "b"], ["h1", "h2"], encoder, None)
    assert count == 2
    second, count = encode_changed(["b", "cccc", "aa"], ["h2", "h3", "h1"], encoder, first)
    assert count == 1
    assert encoder.asked == ["aa", "b", "cccc"]
    assert second.vectors.ravel().tolist() == [1, 4, 2]


def test_equal_texts_are_encoded_once() -> None:
    encoder = Counting()
    found, count = encode_changed(["aa", "aa"], ["h", "h"], encoder, None)
    assert (count, found.vectors.ravel().tolist()) == (1, [2, 2])


def test_vectors_of_another_model_are_of_no_use() -> None:
    other = Encoded("another", ("h1",), np.ones((1, 768), dtype=np.float32))
    found, count = encode_changed(["aa"], ["h1"], Counting(), other)
    assert count == 1
    assert found.vectors.shape == (1, 1)


def test_the_packaged_model_encodes_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    encoder = Encoder("all-MiniLM-L6-v2")
    vectors = encoder.encode(["red lamp", "crimson light", "tax law"])
    assert vectors.shape == (3, encoder.dimension) == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert encoder.encode([]).shape == (0, 384)


def test_a_model_that_is_not_here_is_named() -> None:
    with pytest.raises(EncoderError, match="no-such-model"):
        Encoder("no-such-model")
