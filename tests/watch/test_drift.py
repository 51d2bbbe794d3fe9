"""Figures of drift: calm on two samples of one population, loud on another population."""

from dataclasses import replace

import numpy as np
import pytest

from database.settings import REPOSITORY
from training.models.core.types import FloatArray
from training.params import load_params
from training.params.operating import MonitoringParams
from watch.drift import Figure, compare_populations, mmd, popularity_groups, psi
from watch.populations import Population, Reference

PARAMS = load_params(REPOSITORY / "params.yaml").monitoring.model_copy(update={"embedding_rows": 250})


def population(seed: int, rows: int = 2000) -> Population:
    """A shop of 300 items in four categories."""
    generator = np.random.default_rng(seed)
    return Population(
        categories=dict(zip("abcd", generator.multinomial(rows, [0.4, 0.3, 0.2, 0.1]).tolist(), strict=True)),
        prices=generator.lognormal(3, 1, rows),
        text_lengths=generator.normal(80, 20, rows),
        events=dict(
            zip(("click", "purchase"), generator.multinomial(rows, [0.9, 0.1]).tolist(), strict=True)
        ),
        items=_items(generator, rows),
        activity=generator.geometric(0.3, rows).astype(np.float64),
        vectors=_vectors(generator, 0),
    )


def _items(generator: np.random.Generator, rows: int) -> dict[str, int]:
    shares = 1 / np.arange(1, 301)
    counts = generator.multinomial(rows, shares / shares.sum())
    return {f"i{n}": int(count) for n, count in enumerate(counts) if count}


def _vectors(generator: np.random.Generator, towards: float) -> FloatArray:
    made = generator.normal(size=(250, 16)) + 0.5
    made[:, 0] += towards
    unit: FloatArray = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def reference() -> Reference:
    from datetime import timedelta

    return Reference(population(1), _items(np.random.default_rng(9), 5000), timedelta(days=28))


def figures(now: Population, params: MonitoringParams = PARAMS) -> dict[str, Figure]:
    return {figure.name: figure for figure in compare_populations(reference(), now, params, seed=3)}


def test_two_samples_of_one_population_are_calm() -> None:
    found = figures(population(2))
    assert len(found) == 8
    assert all(figure.judged and not figure.drifted for figure in found.values())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("category_psi", {"categories": {"a": 200, "b": 200, "c": 200, "e": 1400}}),
        ("price_ks", {"prices": np.random.default_rng(0).lognormal(4, 1, 2000)}),
        ("text_length_ks", {"text_lengths": np.random.default_rng(0).normal(120, 20, 2000)}),
        ("event_mix_psi", {"events": {"click": 1000, "purchase": 500, "like": 500}}),
        ("popularity_psi", {"items": {f"new{n}": 10 for n in range(200)}}),
        ("activity_ks", {"activity": np.random.default_rng(0).geometric(0.1, 2000).astype(float)}),
        ("embedding_mmd", {"vectors": _vectors(np.random.default_rng(0), 3)}),
        ("embedding_mean_shift", {"vectors": _vectors(np.random.default_rng(0), 3)}),
    ],
)
def test_each_kind_of_drift_is_found_by_its_figure(name: str, change: dict[str, object]) -> None:
    found = figures(replace(population(2), **change))  # type: ignore[arg-type]
    assert found[name].drifted and found[name].value > found[name].threshold
    other = {"embedding_mmd", "embedding_mean_shift"} if name.startswith("embedding") else {name}
    assert {figure.name for figure in found.values() if figure.drifted} <= other


def test_few_rows_are_not_judged() -> None:
    now = replace(
        population(2), prices=np.array([1.0, 2.0]), events={"like": 3}, vectors=np.zeros((0, 0), "f4")
    )
    found = figures(now)
    for name in ("price_ks", "event_mix_psi", "embedding_mmd"):
        assert not found[name].judged and not found[name].drifted


def test_a_large_difference_by_chance_is_no_drift() -> None:
    params = PARAMS.model_copy(update={"price_ks": 1e-6})
    assert not figures(population(2), params)["price_ks"].drifted


def test_another_encoder_is_drift() -> None:
    now = replace(population(2), vectors=np.ones((250, 8), dtype=np.float32))
    assert figures(now)["embedding_mmd"].drifted


def test_psi_is_what_it_is_defined_to_be() -> None:
    big = np.array([5000.0, 5000.0]) * 1000
    assert psi(big, big) == 0
    assert psi(big, big * [1.2, 0.8]) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8), rel=1e-4)
    assert np.isfinite(psi(np.array([100.0, 0.0]), np.array([0.0, 100.0])))


def test_popularity_groups_hold_equal_mass_and_strangers_apart() -> None:
    earlier = {f"i{n}": 10 for n in range(100)}
    assert popularity_groups(earlier, earlier).tolist() == [100.0] * 10 + [0.0]
    assert popularity_groups(earlier, {"stranger": 7}).tolist() == [0.0] * 10 + [7.0]
    assert popularity_groups({}, {"a": 1}).sum() == 0


def test_mmd_errs_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    pairs = [generator.normal(size=(2, 40, 4)).astype(np.float32) for _ in range(60)]
    p_values = [mmd(then, now, seed=n)[1] for n, (then, now) in enumerate(pairs)]
    assert np.mean(np.array(p_values) < 0.1) < 0.25
