"""The errors of a folder are one tree: who calls it can catch them all by one name."""

import ast
import builtins
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("client", "data_checks", "database", "experiments", "operations", "serving", "training", "watch")


def _errors(folder: str) -> dict[str, tuple[str, set[str]]]:
    """The error classes of a folder by name: the file each stands in, and the names of its bases."""
    found: dict[str, tuple[str, set[str]]] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                found[node.name] = (path.relative_to(ROOT).as_posix(), bases)
    errors: set[str] = set()
    while True:
        more = {name for name, (_, bases) in found.items() if any(_raised(b) or b in errors for b in bases)}
        if more == errors:
            return {name: found[name] for name in errors}
        errors = more


def _raised(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_one_root_which_stands_in_its_errors_module(folder: str) -> None:
    errors = _errors(folder)
    roots = {(name, path) for name, (path, bases) in errors.items() if not bases & errors.keys()}
    assert {path for _, path in roots} <= {f"{folder}/errors.py"}, roots
    assert len(roots) <= 1, roots


def test_names_of_errors_say_so() -> None:
    # Those of the client are public, and older than the rule.
    names = [name for folder in FOLDERS if folder != "client" for name in _errors(folder)]
    assert [name for name in names if not name.endswith("Error")] == []
