"""Figures of drift: calm on two samples of one population, loud on another population."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from database.population import InteractionWeeks
from database.settings import REPOSITORY
from training.models.core.types import FloatArray
from training.params import load_params
from training.params.operating import MonitoringParams
from watch.drift import find_drift, mmd
from watch.figures import Figure, psi
from watch.populations import Catalogue

PARAMS = load_params(REPOSITORY / "params.yaml").monitoring.model_copy(update={"embedding_rows": 250})


NO_WEEKS = InteractionWeeks(datetime(2026, 5, 1, tzinfo=UTC), {}, [], [])


def catalogue(seed: int, rows: int = 2000) -> Catalogue:
    """A shop with items in four categories."""
    generator = np.random.default_rng(seed)
    return Catalogue(
        categories=dict(zip("abcd", generator.multinomial(rows, [0.4, 0.3, 0.2, 0.1]).tolist(), strict=True)),
        prices=generator.lognormal(3, 1, rows),
        text_lengths=generator.normal(80, 20, rows),
        vectors=_vectors(generator, 0),
    )


def _vectors(generator: np.random.Generator, towards: float) -> FloatArray:
    made = generator.normal(size=(250, 16)) + 0.5
    made[:, 0] += towards
    unit: FloatArray = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def figures(now: Catalogue, params: MonitoringParams = PARAMS) -> dict[str, Figure]:
    return {figure.name: figure for figure in find_drift(catalogue(1), now, NO_WEEKS, params, seed=3)}


def test_two_samples_of_one_catalogue_are_calm() -> None:
    found = [figure for figure in figures(catalogue(2)).values() if figure.about != "interactions"]
    assert len(found) == 5
    assert all(figure.judged and not figure.drifted for figure in found)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("category_psi", {"categories": {"a": 200, "b": 200, "c": 200, "e": 1400}}),
        ("price_ks", {"prices": np.random.default_rng(0).lognormal(4, 1, 2000)}),
        ("text_length_ks", {"text_lengths": np.random.default_rng(0).normal(120, 20, 2000)}),
        ("embedding_mmd", {"vectors": _vectors(np.random.default_rng(0), 3)}),
        ("embedding_mean_shift", {"vectors": _vectors(np.random.default_rng(0), 3)}),
    ],
)
def test_each_kind_of_drift_is_found_by_its_figure(name: str, change: dict[str, object]) -> None:
    found = figures(replace(catalogue(2), **change))  # type: ignore[arg-type]
    assert found[name].drifted and found[name].value > found[name].threshold
    other = {"embedding_mmd", "embedding_mean_shift"} if name.startswith("embedding") else {name}
    assert {figure.name for figure in found.values() if figure.drifted} <= other


def test_few_rows_are_not_judged() -> None:
    now = replace(catalogue(2), prices=np.array([1.0, 2.0]), vectors=np.zeros((0, 0), "f4"))
    found = figures(now)
    for name in ("price_ks", "embedding_mmd"):
        assert not found[name].judged and not found[name].drifted


def test_a_large_difference_by_chance_is_no_drift() -> None:
    params = PARAMS.model_copy(update={"price_ks": 1e-6})
    assert not figures(catalogue(2), params)["price_ks"].drifted


def test_another_encoder_is_drift() -> None:
    now = replace(catalogue(2), vectors=np.ones((250, 8), dtype=np.float32))
    assert figures(now)["embedding_mmd"].drifted


def test_psi_is_what_it_is_defined_to_be() -> None:
    big = np.array([5000.0, 5000.0]) * 1000
    assert psi(big, big) == 0
    assert psi(big, big * [1.2, 0.8]) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8), rel=1e-4)
    assert np.isfinite(psi(np.array([100.0, 0.0]), np.array([0.0, 100.0])))


@pytest.mark.slow
def test_mmd_errs_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    pairs = [generator.normal(size=(2, 40, 4)).astype(np.float32) for _ in range(60)]
    p_values = [mmd(then, now, seed=n)[1] for n, (then, now) in enumerate(pairs)]
    assert np.mean(np.array(p_values) < 0.1) < 0.25
