"""By what a worker knows that others run the same code."""

import os
from pathlib import Path

import pytest

from serving.lists import repeating


@pytest.mark.parametrize("folder", ["database", "serving/lists", "training/models"])
def test_code_that_has_changed_is_another_version(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "REPOSITORY", tmp_path)
    file = tmp_path / folder / "some.py"
    file.parent.mkdir(parents=True)
    file.touch()
    version = repeating._code_version.__wrapped__
    before = version()
    assert version() == before
    os.utime(file, ns=(0, before + 1))
    assert version() != before
