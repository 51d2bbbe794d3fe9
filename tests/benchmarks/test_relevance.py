"""The judged queries are what the benchmark needs, and its figures are what they say."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.relevance import QUERIES, Outcome, Query, read_queries, summary
from database.ingest.sample import SAMPLE

TUNING = QUERIES.with_name("relevance_tuning.yaml")


@pytest.fixture(scope="module")
def titles() -> Iterator[list[str]]:
    yield pc.unique(pq.read_table(SAMPLE, columns=["Description"]).column(0)).drop_null().to_pylist()


@pytest.mark.parametrize(("path", "count"), [(QUERIES, 30), (TUNING, 25)])
def test_every_query_has_something_to_find_and_is_asked_once(
    path: Path, count: int, titles: list[str]
) -> None:
    queries = read_queries(path)
    assert len({query.query for query in queries}) == len(queries) == count
    for query in queries:
        judged = sum(query.judges(title) for title in titles)
        assert 0 < judged < len(titles) / 10, query.query


def test_weights_are_not_chosen_on_the_queries_that_are_reported() -> None:
    assert not {query.query for query in read_queries()} & {query.query for query in read_queries(TUNING)}


def test_a_query_judges_titles_whatever_their_case() -> None:
    tea = next(query for query in read_queries() if query.query == "something to keep tea warm")
    assert tea.judges("tea cosy red stripe") and tea.judges("OFFICE MUG WARMER PINK")
    assert not tea.judges("TEA TOWEL") and not tea.judges(None)


def test_hits_are_shares_of_queries() -> None:
    found = Query("brolly", "other_words", ("UMBRELLA",))
    missed = Query("umbrela", "typo", ("UMBRELLA",))
    outcomes = [Outcome(found, "fused", ("MUG", "RED UMBRELLA")), Outcome(missed, "fused", ("MUG",))]
    assert summary(outcomes) == {"fused": {"all": 0.5, "other_words": 1.0, "typo": 0.0}}
