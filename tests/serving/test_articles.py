"""The sample articles and the indexing of what has no vector, on a real database."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from serving import articles
from serving.sample_articles import SAMPLES


class SmallEncoder:
    """Two numbers a text: enough to see whose vector it is."""

    name = "small"
    dimension = 2

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = [len(text) % 7 for text in texts]
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


async def titles(conn: asyncpg.Connection) -> list[str]:
    rows = await conn.fetch("select title from items where kind = 'article' and deleted_at is null")
    return [row["title"] for row in rows]


def test_there_are_three_samples_of_each_of_four_subjects() -> None:
    assert Counter(sample.category for sample in SAMPLES) == dict.fromkeys(
        ("Tech", "Nature", "Food", "Finance"), 3
    )
    assert len({sample.title for sample in SAMPLES}) == 12


async def test_populate_replaces_every_article_and_nothing_else(database: Any) -> None:
    conn = await asyncpg.connect(database.dsn)
    try:
        await conn.execute("insert into items (item_id, title, change_seq) values ('PRODUCT001', 'Mug', 0)")
        first = await articles.populate(conn, SmallEncoder())
        again = await articles.populate(conn, SmallEncoder())
        assert (first.deleted, first.created) == (0, 12)
        assert (again.deleted, again.created) == (12, 12)
        assert sorted(await titles(conn)) == sorted(sample.title for sample in SAMPLES)
        assert await conn.fetchval("select count(*) from embeddings") == 12
        assert await conn.fetchval("select deleted_at from items where item_id = 'PRODUCT001'") is None
    finally:
        await conn.close()


def test_index_finds_missing_and_stale_vectors_in_batches(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into items (item_id, title, change_seq) select 'ITEM' || n, 'Thing ' || n, 0 "
            "from generate_series(1, 7) n"
        )
    connection.commit()
    assert articles.index(connection, SmallEncoder(), batch=3) == 7
    assert articles.index(connection, SmallEncoder(), batch=3) == 0
    with connection.cursor() as cursor:
        cursor.execute("update items set title = 'Another thing' where item_id = 'ITEM2'")
    connection.commit()
    assert articles.index(connection, SmallEncoder(), batch=3) == 1


@pytest.mark.parametrize(("said", "created"), [("n\n", 0), ("y\n", 12)])
def test_the_command_asks_first(
    connection: Any, monkeypatch: pytest.MonkeyPatch, said: str, created: int
) -> None:
    monkeypatch.setattr(articles, "default_encoder", SmallEncoder)
    result = CliRunner().invoke(articles.cli, ["populate"], input=said)
    assert result.exit_code == (0 if created else 1)
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from items where kind = 'article'")
        assert cursor.fetchone() == (created,)


def test_the_index_command_says_how_many(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(articles, "default_encoder", SmallEncoder)
    assert CliRunner().invoke(articles.cli, ["populate", "--yes"]).exit_code == 0
    assert "0 items indexed" in CliRunner().invoke(articles.cli, ["index"]).output
