"""The score is one source's column."""

from serving.steps.scorers.single import Single
from tests.worlds.tables import table_of
from tests.worlds.world import world


def test_it_is_that_column_and_zero_where_the_source_said_nothing() -> None:
    table, asked = table_of({"als": [0.5, -1, 0], "nmf": [1, 1, 1]}), world(0).context()
    assert Single("als")(asked, table).score.tolist() == [0.5, -1, 0]
    assert Single("tfidf")(asked, table).score.tolist() == [0, 0, 0]
