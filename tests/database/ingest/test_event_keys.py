"""How often a key stood before, as counting one row after another says; and keys as the server makes them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import event_keys
from database.ingest.event_keys import EventKeys, digests

CHUNKS = st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1), max_size=12)
"""Keys as their two halves: few, so that keys repeat and different ones share a half."""


@given(chunks=CHUNKS, full=st.sampled_from([1, 4, 1 << 22]))
def test_each_key_is_counted_over_all_chunks(chunks: list[list[tuple[int, int]]], full: int) -> None:
    counted, keys = Counter[tuple[int, int]](), EventKeys()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_keys, "FULL", full)
        for chunk in chunks:
            expected = []
            for key in chunk:
                expected.append(counted[key])
                counted[key] += 1
            given_keys = np.array(chunk, dtype=np.uint64).view(np.uint8).reshape(-1, 16)
            assert keys.seen_before(given_keys).tolist() == expected


def test_a_million_times_the_same_key_is_counted_at_once() -> None:
    keys, row = EventKeys(), np.zeros((50_000, 16), dtype=np.uint8)
    for chunk in range(20):
        assert keys.seen_before(row).tolist() == list(range(50_000 * chunk, 50_000 * (chunk + 1)))


def test_keys_are_those_of_the_server(connection: Connection) -> None:
    texts = ["", "a", "andré|andrè|😀", "x" * 1000, "|#2", 'quote"\n\t\\']
    with connection.cursor() as cursor:
        cursor.execute(
            "select md5(text) from unnest(%s::text[]) with ordinality t (text, n) order by n", (texts,)
        )
        server = [key for (key,) in cursor.fetchall()]
    assert [key.tobytes().hex() for key in digests([text.encode() for text in texts])] == server
