"""Secrets are made once, and only their owner reads them."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from operations.errors import PreflightError
from operations.secrets import load_secrets


def test_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = load_secrets(path)
    assert load_secrets(path) == made
    assert path.stat().st_mode & 0o077 == 0
    assert len({made.jwt_secret, made.api_secret, made.fernet_key}) == 3
    Fernet(made.fernet_key.encode())


def test_each_installation_has_its_own(tmp_path: Path) -> None:
    assert load_secrets(tmp_path / "one.json") != load_secrets(tmp_path / "two.json")


@pytest.mark.parametrize("content", ["", "{}", '{"jwt_secret": "x"', '{"other": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(PreflightError, match=r"secrets\.json"):
        load_secrets(path)
