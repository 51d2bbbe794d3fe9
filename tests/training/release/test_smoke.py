"""A bundle is asked before it may serve."""

from pathlib import Path

import numpy as np
import pytest

from tests.serving.worker import MODELS, write_bundle
from tests.worlds.shop import build_shop
from tests.worlds.world import SIZES, world_params
from training.models.core.base import Query
from training.models.core.types import FloatArray, IntArray
from training.models.nmf import Nmf
from training.release.smoke import smoke_test


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = build_shop(0, *SIZES["tiny"])
    folder = tmp_path_factory.mktemp("smoke") / "bundle"
    found: Path = write_bundle(folder, shop.data, world_params(), shop.watermark, MODELS)
    return found


def test_a_whole_bundle_passes(bundle: Path) -> None:
    milliseconds, errors = smoke_test(bundle, queries=3, seed=1)
    assert errors == [] and milliseconds > 0


def test_a_bundle_that_is_not_whole_is_told_and_not_asked(bundle: Path, tmp_path: Path) -> None:
    milliseconds, (error,) = smoke_test(tmp_path / "nothing", queries=3, seed=1)
    assert milliseconds == 0 and "nothing" in error


def test_a_model_that_recommends_what_it_must_not_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def excluded(model: Nmf, query: Query, k: int) -> tuple[IntArray, FloatArray]:
        return query.exclude, np.ones(len(query.exclude), dtype=np.float32)

    monkeypatch.setattr(Nmf, "recommend", excluded)
    assert smoke_test(bundle, queries=3, seed=1)[1] == ["nmf returned non-numeric scores or excluded items"]
