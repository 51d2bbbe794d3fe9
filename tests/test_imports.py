"""Who may import whom, as pyproject.toml declares it."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

REPOSITORY = Path(__file__).parent.parent
ROOMS = (
    "benchmarks",
    "client",
    "dags",
    "data_checks",
    "database",
    "experiments",
    "operations",
    "serving",
    "training",
    "watch",
)


def test_the_declared_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def imports() -> list[tuple[str, str]]:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    return [(who, whom) for who in graph.modules for whom in graph.find_modules_directly_imported_by(who)]


def test_serving_sees_of_training_only_models_and_params(imports: list[tuple[str, str]]) -> None:
    allowed = ("training.models", "training.params")
    seen = {whom for who, whom in imports if who.startswith("serving") and whom.startswith("training")}
    assert not [whom for whom in seen if not whom.startswith(allowed)]


def test_experiments_see_of_training_only_params(imports: list[tuple[str, str]]) -> None:
    seen = {whom for who, whom in imports if who.startswith("experiments") and whom.startswith("training")}
    assert seen and not [whom for whom in seen if not whom.startswith("training.params")]


def test_the_rules_are_about_something(imports: list[tuple[str, str]]) -> None:
    assert any(who.startswith("operations") and whom.startswith("database") for who, whom in imports)
