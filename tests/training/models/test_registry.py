"""The registry: every model is whole, it is cheap to read, and one more model is one more line."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from database.settings import REPOSITORY
from training.evaluation.plots import color, draw_plots
from training.models import registry
from training.models.core.base import Algorithm, Config, Query
from training.models.core.data import TrainingData
from training.models.popularity import Popularity
from training.models.registry import REGISTRY, ModelEntry, algorithm, fit_model, load_model, names
from training.params import load_params
from training.pipeline.dvc_file import dvc_file


@pytest.mark.parametrize("name", REGISTRY)
def test_every_model_has_its_config_fit_class_and_texts(name: str) -> None:
    found = algorithm(name)
    assert found.model.name == name
    assert isinstance(load_params(REPOSITORY / "params.yaml").model(name), found.config)
    assert found.about.endswith(".") and found.limits.endswith(".")


def test_the_models_are_named_by_scope_and_role() -> None:
    assert names(scope="bundle", role="served") == ("als", "nmf", "tfidf", "embeddings", "fpgrowth")
    assert set(names(scope="bundle")) < set(names()) == set(REGISTRY)
    with pytest.raises(KeyError):
        algorithm("nobody")


def test_reading_it_imports_no_library_and_no_model() -> None:
    command = "import sys, training.models.registry; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], cwd=REPOSITORY, capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert "training.models.registry" in loaded
    assert not {"numpy", "scipy", "pydantic", "yaml", "training.models.als"} & loaded


class ToyConfig(Config):
    """Section `toy`."""


class Toy(Popularity):
    """The same as popularity, under another name."""

    name: ClassVar[str] = "toy"


def fit_toy(data: TrainingData, config: ToyConfig, seed: int, report: Any = None) -> Toy:
    counts = np.bincount(data.interactions.indices, minlength=data.n_items).astype(np.float32)
    return Toy(counts, counts)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """An eleventh model, registered as a file of its own would be."""
    module = ModuleType("training.models.toy")
    module.ALGORITHM = Algorithm(  # type: ignore[attr-defined]
        ToyConfig, fit_toy, Toy, about="A toy.", limits="It is a toy."
    )
    monkeypatch.setitem(sys.modules, "training.models.toy", module)
    entry = ModelEntry("toy", "challenger", "bundle", "interactions", "Toy")
    monkeypatch.setitem(registry.REGISTRY, "toy", entry)
    return "toy"


def test_an_eleventh_model_is_fitted_stored_and_opened(
    toy: str, checkerboard: TrainingData, tmp_path: Path
) -> None:
    model = fit_model(toy, checkerboard, ToyConfig(), 1)
    model.save(tmp_path)
    opened = load_model(toy, tmp_path)
    np.testing.assert_array_equal(opened.scores(Query()), model.scores(Query()))
    assert toy in names(scope="bundle")


@pytest.mark.slow
def test_many_more_models_break_no_plot_and_have_colours(
    toy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(20):
        entry = ModelEntry(f"toy{number}", "challenger", "bundle", "interactions", "Toy")
        monkeypatch.setitem(registry.REGISTRY, entry.name, entry)
    eleven = [*list(registry.REGISTRY)[:11], "blend"]
    assert len({color(name) for name in eleven}) == len(eleven)
    row = {"value": 0.2, "low": 0.1, "high": 0.3}
    metrics = {f"{name}@{k}": row for name in ("ndcg", "recall", "coverage") for k in (10, 20)}
    users = {"all": 20, "warm_users": 20, "cold_users": 0, "few_interactions_users": 0}
    curve = [{"k": k, **row} for k in range(1, 21)]
    content = {
        "users": users,
        "slices": {part: metrics if number else {} for part, number in users.items()},
        "by_k": {"ndcg": curve, "recall": curve},
    }
    draw_plots(dict.fromkeys([*registry.REGISTRY, "blend"], content), (10, 20), tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_params_without_the_models_section_are_refused() -> None:
    assert load_params(REPOSITORY / "params.yaml").model("als")
    with pytest.raises(KeyError):
        load_params(REPOSITORY / "params.yaml").model("toy")


def test_the_dag_and_dvc_name_the_models_of_the_registry() -> None:
    assert all(f"data/evaluation/{name}" in dvc_file() for name in names(scope="bundle"))
