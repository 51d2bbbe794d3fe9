"""What a night will need of memory is said before it begins, and refused where the machine lacks it."""

from pathlib import Path

import pytest

from dags.defaults import FITTED_AT_ONCE
from database.export import Counts
from database.settings import REPOSITORY
from training.models.core.neighbours import ENTRIES
from training.models.ease import EaseConfig
from training.params import Params, load_params
from training.pipeline import memory

TARGET = Counts(interactions=30_000_000, users=2_000_000, items=300_000)


@pytest.fixture
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


def test_a_night_of_thirty_million_interactions_fits_into_16_gb(params: Params) -> None:
    assert memory.forecast(TARGET, params).peak < 16 * memory.GIGABYTE
    assert memory.FITTED_AT_ONCE == FITTED_AT_ONCE


@pytest.mark.parametrize(
    ("rows", "step", "measured"),
    [
        (1_000_000, "validate", 0.48e9),
        (3_000_000, "validate", 0.66e9),
        (10_000_000, "validate", 0.83e9),
        (30_000_000, "validate", 1.23e9),
        (3_000_000, "prepare", 0.71e9),
        (30_000_000, "prepare", 3.71e9),
        (30_000_000, "fits", 5.00e9 + 5.00e9),
        (30_000_000, "evaluate", 4.66e9),
    ],
)
def test_the_forecast_lies_above_what_was_measured(
    params: Params, rows: int, step: str, measured: float
) -> None:
    """`python -m benchmarks.memory --rows ROWS`: peaks; `fits`: ALS and NMF together."""
    counts = Counts(interactions=rows, users=rows // 15, items=rows // 100)
    assert measured < memory.forecast(counts, params).steps[step] < 2 * measured


def test_more_data_and_larger_models_need_more(params: Params) -> None:
    small = Counts(interactions=1000, users=100, items=50)
    found = memory.forecast(small, params).peak
    for more in (
        Counts(interactions=10**6, users=100, items=50),
        Counts(interactions=1000, users=10**6, items=50),
        Counts(interactions=1000, users=100, items=10**5),
    ):
        assert memory.forecast(more, params).peak > found
    wider = params.model_copy(update={"als": params.als.model_copy(update={"factors": 512})})  # type: ignore[attr-defined]
    assert memory.forecast(TARGET, wider).peak > memory.forecast(TARGET, params).peak


def test_rules_are_fitted_beside_the_baselines(params: Params) -> None:
    """Of few users and many items the factors are small: rules' products of items are the second largest."""
    few_users = Counts(interactions=10**6, users=1000, items=10**5)
    found = (
        memory.forecast(few_users, params).steps["fits"]
        - 2 * memory.forecast(few_users, params).steps["evaluate"]
    )
    ease = 4 * params.section(EaseConfig).max_items ** 2
    assert found + 2 * memory.ITEM * few_users.items == ease + memory.ENTRY * ENTRIES


def test_a_shortage_is_refused_with_what_to_do_unless_an_operator_wants_to_try(params: Params) -> None:
    needed = memory.forecast(TARGET, params).peak
    said = memory.require(TARGET, params, needed)
    assert "30,000,000 interactions of 2,000,000 users with 300,000 items" in said
    with pytest.raises(memory.MemoryShortageError, match=r"8\.0 GB free.*max_memory_share"):
        memory.require(TARGET, params, 8 * memory.GIGABYTE)
    checks = params.data_checks.model_copy(update={"max_memory_share": 10.0})
    memory.require(TARGET, params.model_copy(update={"data_checks": checks}), 8 * memory.GIGABYTE)


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 0
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 2500\n")
    assert memory.available() == 3500
