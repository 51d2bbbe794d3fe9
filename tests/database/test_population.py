"""Samples for drift are drawn in SQL: the same ones each time, and the whole where that is small."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values
from scipy.stats import ks_2samp

from database.partitions import INTERACTIONS, ensure_partitions
from database.population import WEEK, catalogue_facts, interaction_weeks, sampled_vectors

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


END = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize("first", [0, 1, 6, 7, 8, 20, 27, None])
def test_weeks_are_those_of_a_plain_count(connection: Connection, first: int | None) -> None:
    """Events at the edges of days and weeks, before, in and after the weeks; the log begins on any day."""
    draw, weeks = random.Random(first), 4
    start = END - timedelta(weeks=weeks)
    edges = [timedelta(0), timedelta(microseconds=1), timedelta(hours=23, minutes=59)]
    events = [(END, "ann", "x"), (END + timedelta(days=1), "ann", "x")]
    if first is not None:
        days = [first, *(draw.randrange(first, WEEK * weeks) for _ in range(60))]
        events += [
            (
                start + timedelta(days=day) + draw.choice(edges),
                draw.choice(["ann", "bob"]),
                draw.choice("xyz"),
            )
            for day in days
        ]
    ensure_partitions(connection, INTERACTIONS, start, END + timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("insert into users (user_id) values ('ann'), ('bob')")
        cursor.execute(
            "insert into items (item_id, title, change_seq) select n, n, 1 from unnest('{x,y,z}'::text[]) n"
        )
        execute_values(
            cursor,
            """insert into interactions (occurred_at, user_id, item_id, event_type, source) values %s""",
            [(*event, "click", "test") for event in events],
        )
    found = interaction_weeks(connection, END, weeks)
    within = [event for event in events if start <= event[0] < END]
    # The oldest whole week in which there were interactions from its first day on.
    skipped = weeks if first is None else next(n for n in range(weeks + 1) if first <= WEEK * n)
    whole = [event for event in within if event[0] >= start + timedelta(weeks=skipped)]
    days_of = Counter((moment - start).days - WEEK * skipped for moment, *_ in whole)
    assert sum(found.days.get("click", []), 0) == len(whole)
    assert [n for n, count in enumerate(found.days.get("click", [])) if count] == sorted(days_of)
    for week in range(weeks - skipped):
        of_week = [event for event in whole if (event[0] - start).days // WEEK == week + skipped]
        assert found.items[week] == Counter(item for _, _, item in of_week)
        by_user = Counter(user for _, user, _ in of_week)
        assert found.activity[week] == Counter(by_user.values())
    assert len(found.items) == len(found.activity) == weeks - skipped
