"""What `make fresh` takes from this machine into a trial, and the word it takes out of one."""

import pytest

from operations.fresh import environment, last_word, paths, trials


def test_pypi_alone_knows_no_setting_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    ours, pypi = trials()
    assert pypi.environment["PIP_CONFIG_FILE"] == "/dev/null"
    assert not [
        name
        for name in pypi.environment
        if name.startswith("PIP_") and name not in ("PIP_CONFIG_FILE", "PIP_CERT")
    ]
    assert "PIP_CONFIG_FILE" not in ours.environment


def test_what_settings_name_on_this_machine_is_there_in_the_trial() -> None:
    assert paths({"PIP_FIND_LINKS": "/usr https://somewhere /nowhere/at/all"}) == ("/usr",)
    assert paths({"PIP_EXTRA_INDEX_URL": "file:///usr/share"}) == ("/usr",)


def test_a_trial_is_an_ordinary_users() -> None:
    variables = environment(trials()[1])
    assert variables["HOME"] == "/home/shopper"
    assert len({variables[f"SHORTLIST_{name}_PORT"] for name in ("SERVICE", "AIRFLOW", "MLFLOW")}) == 3
    assert not [name for name in variables if name.startswith(("VIRTUAL_ENV", "PYTHON"))]


def test_the_line_that_says_why_not_is_the_outcome() -> None:
    said = "Installing\nmake: Only 1 GB is free.\nmake: *** [Makefile:14: install] Error 1\n"
    assert last_word(said) == "make: Only 1 GB is free."
    assert last_word("").startswith("no word")
