"""Samples for drift are drawn in SQL: the same ones each time, and the whole where that is small."""

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from scipy.stats import ks_2samp

from database.population import catalogue_facts, sampled_vectors

ITEMS, PRICED = 3000, 1000
"""All are titled; one in three has a price."""


@pytest.fixture
def shop(connection: Connection) -> Connection:
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into items (item_id, title, category, price, change_seq)
            select 'I' || n, repeat('x', 1 + n * 37 %% 100), 'c' || n %% 3,
                case when n %% 3 = 0 then n * 7919 %% 1000 end, 1
            from generate_series(1, %s) n""",
            (ITEMS,),
        )
        cursor.execute(
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select item_id, 'm', 1, text_hash, decode(lpad(to_hex(length(title)), 8, '0'), 'hex')
            from items"""
        )
        cursor.execute("update items set deleted_at = now() where item_id = 'I1'")
        cursor.execute("insert into items (item_id, change_seq) values ('BARE', 1)")
    return connection


def test_a_sample_differs_from_the_catalogue_by_no_more_than_its_size_allows(shop: Connection) -> None:
    """In 999 of 1000 samples of n the distribution is within sqrt(ln(2000) / 2n) (Massart 1990)."""
    whole, sample = catalogue_facts(shop, 10_000), catalogue_facts(shop, 400)
    within = float(np.sqrt(np.log(2000) / (2 * 400)))
    for drawn, everything, rows in (
        (sample.prices, whole.prices, PRICED),
        (sample.text_lengths, whole.text_lengths, ITEMS - 1),
    ):
        assert len(drawn) == 400, "as many with a price as of all"
        assert len(everything) == rows, "all, where there are fewer than were asked for"
        assert ks_2samp(drawn, everything).statistic < within
    assert sample.categories == whole.categories, "counted, not sampled"
    assert sum(whole.categories.values()) == ITEMS - 1


def test_the_same_catalogue_gives_the_same_sample_and_a_larger_one_holds_it(shop: Connection) -> None:
    small, again, larger = (catalogue_facts(shop, rows) for rows in (100, 100, 200))
    assert small == again
    assert larger.prices[:100] == small.prices
    vectors = sampled_vectors(shop, 100)
    assert vectors == sampled_vectors(shop, 100) == sampled_vectors(shop, 200)[:100]
    assert len(sampled_vectors(shop, 10_000)) == ITEMS - 1
