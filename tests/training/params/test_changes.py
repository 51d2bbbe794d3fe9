"""A params.yaml of an earlier version: every edit is named, and stored params are read as today's."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from training.params import ParamsError, changes, load_params
from training.params.changes import CHANGES, Change, edits_needed, rename_old_keys

REAL = REPOSITORY / "params.yaml"
RENAMED = (
    Change("als.reg", "als.regularization"),
    Change("nmf.rounds", "iterations.nmf", "all rounds stand together now"),
    Change("shop", "store"),
    Change("blend.weights=alike", "blend.weights=original"),
    Change("gone.for.good", None, "nothing read it"),
)


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "CHANGES", RENAMED)


def test_every_edit_is_named_with_the_new_name_and_the_value(renamed: None) -> None:
    old = {
        "als": {"reg": 0.5},
        "nmf": {"rounds": 20},
        "shop": {"name": "x"},
        "blend": {"weights": "alike"},
        "gone": {"for": {"good": 1}},
    }
    assert edits_needed(old) == [
        "als.reg: 0.5 becomes als.regularization: 0.5",
        "nmf.rounds: 20 becomes iterations.nmf: 20 (all rounds stand together now)",
        "shop becomes store",
        "blend.weights: alike becomes blend.weights: original",
        "gone.for.good: remove it (nothing read it)",
    ]
    new = rename_old_keys(old)
    assert new == {
        "als": {"regularization": 0.5},
        "nmf": {},
        "iterations": {"nmf": 20},
        "store": {"name": "x"},
        "blend": {"weights": "original"},
        "gone": {"for": {}},
    }
    assert edits_needed(new) == []
    assert old["als"] == {"reg": 0.5}, "what is given stays"


def test_other_values_and_sections_that_are_none_are_left_to_validation(renamed: None) -> None:
    for content in (
        {"blend": {"weights": "tuned"}},
        {"als": None},
        {"als": [1]},
        {"als": 3, "gone": {"for": 1}},
    ):
        assert edits_needed(content) == []
        assert rename_old_keys(content) == content


def test_a_value_under_the_new_name_is_kept(renamed: None) -> None:
    assert rename_old_keys({"als": {"reg": 0.5, "regularization": 0.8}}) == {"als": {"regularization": 0.8}}


nested = st.recursive(
    st.sampled_from([None, True, 3, "alike", "word"]),
    lambda inner: st.dictionaries(
        st.sampled_from(["als", "reg", "regularization", "rounds", "weights", "for", "good"]),
        inner,
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["als", "nmf", "shop", "blend", "gone", "other"]), nested))
def test_nothing_is_left_to_edit_after_the_renames(content: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "CHANGES", RENAMED)
        made = rename_old_keys(content)
        assert edits_needed(made) == []
        assert rename_old_keys(made) == made
        assert edits_needed(content) or made == content


def test_one_error_names_the_renames_and_whatever_else_is_wrong(tmp_path: Path, renamed: None) -> None:
    content = yaml.safe_load(REAL.read_text())
    content["als"]["reg"] = content["als"].pop("regularization")
    content["nmf"]["factor_count"] = 3
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError) as refused:
        load_params(path)
    assert "als.reg: 0.8 becomes als.regularization: 0.8" in str(refused.value)
    assert "nmf.factor_count" in str(refused.value)
    assert "Field required" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "3", "rp3beta"])
def test_a_file_that_holds_no_sections_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParamsError, match="the file"):
        load_params(path)


def test_the_shipped_file_needs_no_edit_and_no_new_name_is_old_again() -> None:
    assert edits_needed(yaml.safe_load(REAL.read_text())) == []
    assert not {change.new for change in CHANGES} & {change.old for change in CHANGES}
    assert all(change.new for change in CHANGES if "=" in change.old), "a value has another one in its place"
