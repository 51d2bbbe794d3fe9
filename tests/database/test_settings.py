"""Settings mean the same wherever a process was started, and .env.example shows the defaults."""

import os
import re
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("SHORTLIST_", "MLFLOW_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_example_shows_the_defaults(nothing_set: None, tmp_path: Path) -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    optional = ("DATABASE_URL", "MLFLOW_TRACKING_URI", "SHORTLIST_AIRFLOW_")
    shown = [line[1:] for line in lines if re.match(r"#[A-Z_]+=", line)]
    shown = [line for line in shown if not line.startswith(optional) or line.endswith("PORT=8080")]
    assert len(shown) > 10
    (tmp_path / ".env").write_text("\n".join(shown) + "\n")

    assert Settings(_env_file=tmp_path / ".env") == Settings(_env_file=None)


def test_a_relative_path_starts_at_the_repository(
    nothing_set: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHORTLIST_HOME", "state/here")
    monkeypatch.setenv("SHORTLIST_INBOX", "~/inbox")
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(tmp_path))
    found = Settings(_env_file=None)
    assert found.home == REPOSITORY / "state" / "here"
    assert found.inbox == Path.home() / "inbox"
    assert found.workspace == tmp_path
