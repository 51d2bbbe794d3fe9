"""Values go into params.yaml where a person would put them."""

import difflib
import io
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from database.settings import REPOSITORY
from training.params import ParamsError, load_params
from training.params.edit import write_back


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path / "params.yaml"


def changed(before: str, after: str) -> list[str]:
    """Lines that came or went, with `+` or `-`."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize("weights", [{"itemknn": 0.25}, {"ease": 0.75, "itemknn": 0.25, "nmf": 0.5}])
def test_a_section_that_is_replaced_keeps_its_place_and_the_blank_line_below(
    path: Path, weights: dict[str, float]
) -> None:
    before = path.read_text()
    write_back(path, ("blend", "tuned"), weights, whole=True)
    assert load_params(path).blend.tuned == weights
    old = [
        f"-     {name}: {weight}"
        for name, weight in load_params(REPOSITORY / "params.yaml").blend.tuned.items()
    ]
    new = [f"+     {name}: {weight}" for name, weight in weights.items()]
    assert sorted(changed(before, path.read_text())) == sorted([*old, *new])
    lines = path.read_text().splitlines()
    name, weight = list(load_params(path).blend.tuned.items())[-1]  # in the file's order
    end = lines.index(f"    {name}: {weight}")
    assert lines[end + 1 : end + 3] == ["", "search:"]


def test_one_value_changes_one_line_and_its_comment_stays(path: Path) -> None:
    before = path.read_text()
    write_back(path, ("popularity",), {"window_days": 77}, whole=False)
    old, new = changed(before, path.read_text())
    assert "window_days: 77 " in new and new.split("#")[1] == old.split("#")[1]


def test_values_that_params_refuse_leave_the_file_as_it_was(path: Path) -> None:
    before = path.read_text()
    with pytest.raises(ParamsError, match="low_pass"):
        write_back(path, ("gfcf",), {"low_pass": -1.0}, whole=False)
    assert path.read_text() == before


def test_other_users_of_the_library_write_as_before(path: Path) -> None:
    def written() -> str:
        target = io.StringIO()
        YAML().dump({"a": None}, target)
        return target.getvalue()

    before = written()
    write_back(path, ("als",), {"factors": 64}, whole=False)
    assert written() == before
