"""An installation that commit ea21f38 made, put down in a temporary folder where this version finds it."""

import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from database.connection import libpq_url
from database.schema import migrate
from database.settings import REPOSITORY, get_settings
from tests.conftest import Postgres
from training.params.changes import rename_old_keys

ARCHIVE = Path(__file__).with_name("installation.tar.xz")
CODE = ("training", "data_checks", "database", "dvc.yaml", "requirements.txt", ".dvc/config")
"""What `git pull` renews in a checkout, as far as dvc.yaml names it."""
PLACE = "@INSTALLATION@"

_numbers = count(1)


@dataclass(frozen=True)
class Installation:
    """The restored installation: its folder is a checkout of this version."""

    root: Path
    url: str
    """SQLAlchemy URL of its database, which no migration of this version has touched."""

    @property
    def dsn(self) -> str:
        """The same for psycopg2 and asyncpg."""
        return libpq_url(self.url)

    @property
    def params_file(self) -> Path:
        return self.root / "params.yaml"

    def bundle(self, tag: str) -> Path:
        """Folder of a stored bundle by its tag."""
        return self.root / ".shortlist" / "bentoml" / "models" / tag.replace(":", "/") / "bundle"

    def edit_params(self) -> None:
        """Edit params.yaml as the message of `load_params` asks; keys that are new get the shipped values."""
        content = rename_old_keys(yaml.safe_load(self.params_file.read_text()))
        shipped = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        self.params_file.write_text(yaml.safe_dump(_completed(content, shipped), sort_keys=False))


def _completed(own: dict[str, Any], shipped: dict[str, Any]) -> dict[str, Any]:
    """The content with the keys of the shipped sections that it lacks. Sections of free names stay whole."""
    whole = {"spaces", "bounds", "starts", "blended", "tuned"}
    made = {**shipped, **own}
    for key, value in made.items():
        if key not in whole and isinstance(value, dict) and isinstance(shipped.get(key), dict):
            made[key] = _completed(value, shipped[key])
    return made


@pytest.fixture
def installation(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """The stored installation under this version's code, before its first start; settings name it."""
    root = tmp_path / "installation"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root, filter="data")
    for path in root.glob("mlruns/**/MLmodel"):
        path.write_text(path.read_text().replace(PLACE, str(root)))
    with sqlite3.connect(root / "mlflow.db") as runs:
        runs.executescript((root / "mlflow.sql").read_text().replace(PLACE, str(root)))
    runs.close()
    for name in CODE:
        copy_code(name, root)
    name = f"upgrade_{next(_numbers)}"
    postgres.execute(f"create database {name}")
    installed = Installation(root, postgres.url(name))
    with psycopg2.connect(installed.dsn) as conn, conn.cursor() as cursor:
        cursor.execute((root / "shortlist.sql").read_text())
    conn.close()
    for variable, value in environment(installed).items():
        monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    yield installed
    get_settings.cache_clear()
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def upgraded(installation: Installation) -> Installation:
    """The same after the edits that are asked for, and with the migrations applied."""
    installation.edit_params()
    migrate(installation.url)
    return installation


def copy_code(name: str, root: Path) -> None:
    source, target = REPOSITORY / name, root / name
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copyfile(source, target)


def environment(installation: Installation) -> dict[str, str]:
    """The installation's own .env, and what names its folder and database."""
    lines = (installation.root / ".env").read_text().splitlines()
    own = dict(line.split("=", 1) for line in lines)
    return own | {
        "DATABASE_URL": installation.url,
        "MLFLOW_TRACKING_URI": f"sqlite:///{installation.root / 'mlflow.db'}",
        "BENTOML_HOME": str(installation.root / ".shortlist" / "bentoml"),
        "SHORTLIST_HOME": str(installation.root / ".shortlist"),
        "SHORTLIST_WORKSPACE": str(installation.root),
        "SHORTLIST_INBOX": str(installation.root / "inbox"),
    }
