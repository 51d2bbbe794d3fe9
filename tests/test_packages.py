"""What a package lets others use is what its `__init__` names: the rest is its own affair."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import grimp
import pytest

from database.settings import REPOSITORY

FOLDERS = ("data_checks", "database", "experiments", "operations", "serving", "training", "watch")
PACKAGES = sorted(
    ".".join(path.parent.relative_to(REPOSITORY).parts)
    for folder in FOLDERS
    for path in (REPOSITORY / folder).rglob("__init__.py")
)
NAMED = re.compile(r"Others use ((?:`[\w.]+`(?:, | and )?)+)\.")
ALL = "Others use all of it."


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    """For each package its modules that are imported from outside of it and of its subpackages."""
    graph = grimp.build_graph(*FOLDERS, cache_dir=None)
    found = defaultdict(set)
    for importer in graph.modules:
        for module in graph.find_modules_directly_imported_by(importer) - set(PACKAGES):
            package, _, name = module.rpartition(".")
            if not f"{importer}.".startswith(f"{package}."):
                found[package].add(name)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_others_use_what_the_package_names(package: str, used: dict[str, set[str]]) -> None:
    source = Path(REPOSITORY, *package.split("."), "__init__.py").read_text()
    about = " ".join((ast.get_docstring(ast.parse(source)) or "").split())
    assert about, f"{package} does not say what it is for"
    if ALL in about:
        assert used[package], f"nothing of {package} is used by others"
        return
    sentence = NAMED.search(about)
    named = set(re.findall(r"`(\w+)`", sentence[1])) if sentence else set()
    assert used[package] == named, f"its docstring should name what others use: {sorted(used[package])}"
