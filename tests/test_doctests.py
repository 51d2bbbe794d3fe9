"""The examples in docstrings are true."""

import doctest
import importlib

import pytest

from database.settings import REPOSITORY

FOLDERS = ("client", "database", "experiments", "serving", "training", "watch")
MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for folder in FOLDERS
    for path in (REPOSITORY / folder).rglob("*.py")
    if "\n    >>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted and not results.failed
