"""Tests mirror the tree: who changes a module finds its tests by its name.

Every package has its folder under tests/. Where a module is one algorithm or one step, it also has a test
file of its name; what is only seen where several modules meet (a router, a writer and a table) is tested by
what a user would notice, under a name that says that.
"""

import ast
from pathlib import Path

import pytest

from database.settings import REPOSITORY

FOLDERS = ("client", "data_checks", "database", "experiments", "operations", "serving", "training", "watch")
BY_MODULE = ("experiments", "serving/steps", "training/evaluation", "training/models", "watch")
"""Folders in which every module with logic has a test file of its name."""
ELSEWHERE = {
    "database/schema": "tests/database/test_schema.py",
    "database/schema/versions": "tests/database/test_schema.py migrates through all of them",
    "operations/airflow_plugins": "runs in Airflow's own process",
    "serving/api/schemas": "shapes of requests and answers: tests/serving/api, by router",
    "training/pipeline/stages": "a line or two each, run one after the other by tests/training/pipeline",
}


def has_logic(path: Path) -> bool:
    """Whether a module defines a function or a method that does something."""
    tree = ast.parse(path.read_text())
    return any(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name != "__init__"
        for each in ast.walk(tree)
    )


def modules_of(folder: str) -> list[Path]:
    found = (path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*.py"))
    return sorted(path for path in found if not path.name.startswith("__"))


PACKAGES = sorted({path.parent.as_posix() for folder in FOLDERS for path in modules_of(folder)})


@pytest.mark.parametrize("package", [each for each in PACKAGES if each not in ELSEWHERE])
def test_a_package_has_its_folder_of_tests(package: str) -> None:
    assert list((REPOSITORY / "tests" / package).glob("test_*.py")), f"no test file in tests/{package}"


@pytest.mark.parametrize("folder", BY_MODULE)
def test_a_module_has_a_test_file_of_its_name(folder: str) -> None:
    lacking = [
        f"tests/{path.parent.as_posix()}/test_{path.name}"
        for path in modules_of(folder)
        if has_logic(REPOSITORY / path)
        and not (REPOSITORY / "tests" / path.parent / f"test_{path.name}").is_file()
    ]
    assert not lacking


def test_what_is_tested_elsewhere_is_there() -> None:
    assert set(ELSEWHERE) <= set(PACKAGES)
