import json
import socket
from pathlib import Path

import numpy as np
import pytest

from training.models.core.encoder import Encoder, EncoderError, dimension_of

pytestmark = pytest.mark.slow  # the import of torch


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
    assert dimension_of("all-MiniLM-L6-v2") == encoder.dimension


@pytest.mark.parametrize(
    ("modules", "pooling", "dimension"),
    [
        (("Transformer", "Pooling", "Normalize"), {"word_embedding_dimension": 7}, 7),
        (("Transformer", "Pooling"), {"embedding_dimension": 8, "pooling_mode": "mean"}, 8),
        (("Transformer", "Pooling"), {"embedding_dimension": 8, "pooling_mode": ["mean", "max"]}, None),
        (
            ("Transformer", "Pooling"),
            {
                "word_embedding_dimension": 7,
                "pooling_mode_mean_tokens": True,
                "pooling_mode_max_tokens": True,
            },
            None,
        ),
        (("Transformer", "Pooling", "Dense"), {"word_embedding_dimension": 7}, None),
        (("Transformer", "StaticEmbedding"), {}, None),
    ],
)
def test_a_models_dimension_is_told_by_its_files_where_they_say_it(
    tmp_path: Path, modules: tuple[str, ...], pooling: dict[str, object], dimension: int | None
) -> None:
    described = [
        {"type": f"sentence_transformers.models.{name}", "path": "" if name == "Transformer" else name}
        for name in modules
    ]
    (tmp_path / "modules.json").write_text(json.dumps(described))
    (tmp_path / "Pooling").mkdir()
    (tmp_path / "Pooling" / "config.json").write_text(json.dumps(pooling))
    assert dimension_of(str(tmp_path)) == dimension


def test_a_models_files_are_found_in_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--sentence-transformers--tiny" / "snapshots" / "0123"
    (snapshot / "1_Pooling").mkdir(parents=True)
    described = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    ]
    (snapshot / "modules.json").write_text(json.dumps(described))
    (snapshot / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 5}')
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert dimension_of("tiny") == dimension_of("sentence-transformers/tiny") == 5


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder", "no/such/model/at/all", ""])
def test_a_model_without_files_is_named(name: str) -> None:
    with pytest.raises(EncoderError, match="neither a folder"):
        dimension_of(name)


def test_a_model_that_is_not_here_is_named() -> None:
    with pytest.raises(EncoderError, match="no-such-model"):
        Encoder("no-such-model")
