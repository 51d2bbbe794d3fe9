"""A shop to serve: the sample in a database of its own, and a bundle fitted on it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg2

from benchmarks.temporary_database import temporary_database
from database import deployments
from database.embeddings import index_items
from database.export import export_snapshot
from database.ingest.sample import ingest_sample
from database.settings import Settings
from training.data.preparation import prepare
from training.models.bundle import Watermark, write_manifest
from training.models.core.types import FloatArray
from training.models.registry import fit_model, names
from training.params import load_params
from training.release.bundle import StoredBundle, store_bundle

ITEM = "0000022086"
SEARCHES = ("red mug", "tea towel", "christmas lights", "something to keep tea warm", "paper chain kit")
USERS = 200
_DIMENSION = 384


class RandomVectors:
    """Vectors of the served model's length: how long a search takes does not depend on what they mean."""

    dimension = _DIMENSION

    def __init__(self, name: str = "random") -> None:
        """`name` is the model that they stand for."""
        self.name = name

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        vectors = np.random.default_rng(len(texts)).normal(size=(len(texts), _DIMENSION)).astype(np.float32)
        found: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return found


def service_environment(folder: Path, url: str) -> dict[str, str]:
    """The variables of a service on a database, with all that it writes in a folder of its own."""
    return {
        "DATABASE_URL": url,
        "SHORTLIST_HOME": str(folder / "home"),
        "BENTOML_HOME": str(folder / "home" / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def prepare_shop(folder: Path, users: int = USERS) -> Iterator[tuple[Mapping[str, str], list[str]]]:
    """The environment that a server needs to serve it, and so many users with an event in the last month."""
    with temporary_database(durable=True) as (url, conn):
        environment = service_environment(folder, url)
        os.environ["BENTOML_HOME"] = environment["BENTOML_HOME"]
        ingest_sample(conn)
        params = load_params()
        index_items(conn, params.embeddings.model, RandomVectors().encode)
        stored = make_bundle(conn, folder, folder / "home")
        deployments.activate(conn, stored.bundle_id, stored.tag, stored.manifest, "benchmark")
        conn.commit()
        yield environment, _recent_users(conn, users)


def make_bundle(conn: psycopg2.extensions.connection, folder: Path, home: Path) -> StoredBundle:
    """Fit a bundle on the database as it is, and store it in the installation whose home is given.

    `folder` is where it is put together: it must have no `snapshot` and no `bundle` yet.
    """
    params = load_params()
    (folder / "snapshot").mkdir()
    exported = export_snapshot(conn, folder / "snapshot")
    data = prepare(folder / "snapshot", params.interactions, params.embeddings.model).training_data()
    bundle = folder / "bundle"
    bundle.mkdir()
    data.items.save(bundle / "items.npy")
    data.users.save(bundle / "users.npy")
    for name in names(scope="bundle"):
        fit_model(name, data, params.model(name), params.seed).save(bundle / name)
    write_manifest(
        bundle,
        watermark=Watermark(exported.catalogue_seq, exported.interaction_id),
        snapshot_hash="",
        params=params.model_dump(mode="json"),
        git_commit="",
        models={name: {} for name in names(scope="bundle")},
        created_at=datetime.now(UTC),
    )
    return store_bundle(Settings(home=home), bundle, {})


def _recent_users(conn: psycopg2.extensions.connection, users: int) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(
            """select user_id from interactions where user_id is not null
            and occurred_at > now() - interval '30 days' group by user_id order by md5(user_id) limit %s""",
            (users,),
        )
        return [str(row[0]) for row in cursor.fetchall()]
