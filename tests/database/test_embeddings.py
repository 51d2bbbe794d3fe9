"""Texts without a vector get one before the snapshot, and the live plane is told."""

from collections.abc import Sequence

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.embeddings import index_items, store, unindexed
from training.models.core.types import FloatArray


class Counting:
    """Encodes a text as its length, and remembers how many it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.asked += len(texts)
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def run(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_only_new_and_changed_texts_are_encoded(connection: Connection) -> None:
    run(
        connection,
        """insert into items (item_id, kind, title, change_seq)
        select 'ITEM' || n, 'product', 'lamp ' || n, 0 from generate_series(1, 5) n""",
    )
    run(connection, "insert into items (item_id, kind, change_seq) values ('BARE', 'product', 0)")
    connection.commit()
    encoder = Counting()

    assert index_items(connection, "small", encoder.encode, batch=2) == 5
    assert index_items(connection, "small", encoder.encode, batch=2) == 0
    run(connection, "update items set title = 'a longer lamp' where item_id = 'ITEM3'")
    connection.commit()
    assert index_items(connection, "small", encoder.encode) == 1

    assert encoder.asked == 6
    seen = run(
        connection,
        "select change_seq = (select catalogue_seq from change_state) from items where item_id = 'ITEM3'",
    )
    assert seen == [(True,)]


def test_nothing_to_encode_asks_for_no_vector(connection: Connection) -> None:
    def encode(texts: Sequence[str]) -> FloatArray:
        raise AssertionError(texts)

    assert index_items(connection, "small", encode) == 0


def test_items_of_one_text_share_a_vector_that_is_made_once(connection: Connection) -> None:
    """A grocer's 92,331 items have 17,428 titles."""
    run(
        connection,
        """insert into items (item_id, kind, title, change_seq)
        select 'ITEM' || n, 'product', 'lamp ' || repeat('x', n % 3), 0 from generate_series(1, 30) n""",
    )
    connection.commit()
    encoder = Counting()
    assert index_items(connection, "small", encoder.encode, batch=2) == 30
    assert encoder.asked == 3
    run(
        connection,
        """insert into items (item_id, kind, title, change_seq)
        values ('LATER', 'product', 'lamp xx', 0), ('NEW', 'product', 'chair', 0)""",
    )
    run(connection, "update items set title = 'lamp ' where item_id = 'ITEM1'")
    connection.commit()
    assert index_items(connection, "small", encoder.encode) == 3
    assert encoder.asked == 4
    assert run(
        connection,
        """select count(*), count(distinct (i.text_hash, e.vector)), bool_and(i.text_hash = e.text_hash)
        from items i join embeddings e using (item_id)""",
    ) == [(32, 4, True)]
    assert run(connection, "select count(*) from items where change_seq = 0") == [(0,)]


def test_another_model_makes_all_vectors_anew_and_takes_none_of_the_old_ones(connection: Connection) -> None:
    run(
        connection,
        """insert into items (item_id, kind, title, change_seq)
        values ('A', 'product', 'lamp', 0), ('B', 'product', 'lamp', 0), ('C', 'product', 'chair', 0)""",
    )
    connection.commit()
    encoder = Counting()
    assert index_items(connection, "small", encoder.encode) == 3
    assert index_items(connection, "large", encoder.encode) == 3
    assert encoder.asked == 4, "each text once by each model"
    assert run(connection, "select distinct model from embeddings") == [("large",)]


def test_what_is_edited_or_deleted_while_it_is_encoded_gets_no_vector_of_before(
    connection: Connection,
) -> None:
    run(
        connection,
        """insert into items (item_id, kind, title, change_seq)
        select n, 'product', 'lamp ' || n, 0 from unnest('{edited,deleted,same}'::text[]) n""",
    )
    texts = unindexed(connection, "small", 10)
    run(connection, "update items set title = 'chair' where item_id = 'edited'")
    run(connection, "update items set deleted_at = now() where item_id = 'deleted'")
    vector = np.ones(2, "<f4").tobytes()
    assert store(connection, "small", texts, [vector] * 3) == 1
    assert run(connection, "select item_id from embeddings") == [("same",)]
    assert [each.item_ids for each in unindexed(connection, "small", 10)] == [("edited",)]
