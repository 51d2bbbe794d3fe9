"""Fixtures on a real PostgreSQL: one embedded server a test session, one fresh database a test."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import embedded_url, libpq_url
from database.embedded import EmbeddedServer
from database.schema import migrate
from database.settings import REPOSITORY, get_settings
from tests.checkpoints import Checkpoints

_TEMPLATE = "template_shortlist"
_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """One database: `url` for SQLAlchemy, `dsn` for psycopg2 and asyncpg."""

    name: str
    url: str
    dsn: str


@dataclass(frozen=True)
class Postgres:
    """A running server whose template database is migrated."""

    directory: Path

    def url(self, name: str) -> str:
        """SQLAlchemy URL of one of its databases."""
        return embedded_url(self.directory, name)

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction."""
        conn = psycopg2.connect(libpq_url(self.url("postgres")))
        try:
            conn.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with conn.cursor() as cursor:
                cursor.execute(statement)
        finally:
            conn.close()


# How long an example takes says nothing here. CI draws the same examples each time, a developer new ones.
hypothesis_settings.register_profile(
    "shortlist",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
# For `make mutants`: the first example that fails is enough, and a mutant always gets the same examples.
hypothesis_settings.register_profile(
    "mutants",
    hypothesis_settings.get_profile("shortlist"),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
hypothesis_settings.load_profile("shortlist")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a database server, so that `make test-fast` can leave it out."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def own_bento_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Bento store that no test had before: BentoML opens one a process, and keeps to it unless told.

    Without this a bundle lands in the store of an earlier test, or in the developer's own, and a service that
    the test starts does not find it.
    """
    folder = tmp_path_factory.getbasetemp() / f"bentoml-{next(_numbers)}"
    monkeypatch.setenv("BENTOML_HOME", str(folder))
    if "bentoml" not in sys.modules:
        return
    from bentoml._internal.configuration.containers import BentoMLContainer
    from simple_di import sentinel

    for opened in ("bentoml_home", "model_store_dir", "model_store"):
        monkeypatch.setattr(getattr(BentoMLContainer, opened), "_cache", sentinel)


def memory_folder() -> Path | None:
    """A folder that lies in memory, where there is room for the databases; None: the system's choice.

    A fresh database is 400 small files. To write and delete them for each test takes seconds on a busy disk.
    """
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 * 2**30
    return shared if roomy else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An embedded server for the whole session, without fsync: its data need not outlive a crash."""
    with tempfile.TemporaryDirectory(prefix="shortlist-", dir=memory_folder()) as folder:
        directory = Path(folder) / "postgres"
        options = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "256MB"}
        with EmbeddedServer(directory, options):
            server = Postgres(directory)
            migrate(server.url(_TEMPLATE))
            yield server


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A fresh migrated database, which `get_settings()` names for the length of the test."""
    name = f"test_{next(_numbers)}"
    # To copy the template's files takes less than half as long as to write every page to the log.
    postgres.execute(f"create database {name} template {_TEMPLATE} strategy file_copy")
    url = postgres.url(name)
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    yield Database(name, url, libpq_url(url))
    get_settings.cache_clear()
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A psycopg2 connection to the test's database; nothing is committed unless the test does."""
    conn = psycopg2.connect(database.dsn)
    yield conn
    conn.close()


@dataclass(frozen=True)
class SlowPlane:
    """A small shop in a database, and a checkout of its own that learns from it."""

    database: Database
    root: Path
    """The folder of all that follows, and of nothing else."""
    workspace: Path
    home: Path


@pytest.fixture
def slow_plane(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowPlane]:
    """Settings that name a temporary checkout, store, inbox and MLflow; a shop of two tastes in the database.

    60 users buy from one of two halves of 40 items over 150 days; the vectors of the texts are there, so
    nothing is encoded. Processes that a test starts see the same settings.
    """
    root = tmp_path / "plane"
    root.mkdir()
    workspace = root / "checkout"
    for name in ("training", "data_checks", "database"):
        shutil.copytree(
            REPOSITORY / name, workspace / name, ignore=shutil.ignore_patterns("__pycache__", "*.parquet")
        )
    for name in ("params.yaml", "dvc.yaml", "requirements.txt", ".dvc/config"):
        (workspace / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / name, workspace / name)
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(workspace))
    monkeypatch.setenv("SHORTLIST_HOME", str(root / "home"))
    monkeypatch.setenv("SHORTLIST_INBOX", str(root / "inbox"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    monkeypatch.setenv("BENTOML_HOME", str(root / "home" / "bentoml"))
    monkeypatch.chdir(root)
    get_settings.cache_clear()
    conn = psycopg2.connect(database.dsn)
    with conn, conn.cursor() as cursor:
        cursor.execute(SHOP)
    conn.close()
    yield SlowPlane(database, root, workspace, root / "home")


@pytest.fixture(scope="session")
def checkpoints(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """What the first runs of the session left, for all tests that begin there."""
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"), postgres)


SHOP = """
insert into items (item_id, kind, title, category, price, change_seq)
select 'ITEM' || lpad(n::text, 6, '0'), 'product',
    case when n < 20 then 'red lamp number ' else 'blue chair number ' end || n, 'home', 1 + n, 1
from generate_series(0, 39) n;
insert into embeddings (item_id, model, dimension, text_hash, vector)
select item_id, 'all-MiniLM-L6-v2', 384, text_hash,
    decode(repeat(case when title like 'red%' then '0000803f' else '00000000' end, 1)
        || repeat(case when title like 'red%' then '00000000' else '0000803f' end, 1)
        || repeat('00000000', 382), 'hex')
from items;
insert into users (user_id) select 'user' || u from generate_series(0, 59) u;
insert into interactions (user_id, item_id, event_type, value, session_id, occurred_at, source)
select 'user' || u, 'ITEM' || lpad((u % 2 * 20 + (u * 7 + b * 3 + line * 5) % 20)::text, 6, '0'),
    'purchase', 1, 'basket-' || u || '-' || b, now() - make_interval(days => 150 - b * 15 + u % 10), 'shop'
from generate_series(0, 59) u, generate_series(0, 9) b, generate_series(0, 2) line;
update change_state set catalogue_seq = 1;
"""
