import socket

import numpy as np
import pytest

from training.models.core.encoder import Encoder, EncoderError


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
