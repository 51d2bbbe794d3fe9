"""What is like an item that nobody has chosen: its text decides, the price puts equals in order."""

import pytest

from serving.steps.scorers.new_item import text_and_price
from tests.worlds.tables import table_of
from tests.worlds.world import world


def test_text_decides_and_the_price_joins_nothing_that_reads_otherwise() -> None:
    asked = world(0).context()
    columns = {"embeddings": [0.8, 0.2, 0.8, 0], "tfidf": [0.1, 0.8, 0, 0], "price": [1.0, 0.5, 0.2, 1.0]}
    scored = text_and_price(asked, table_of(columns))
    assert scored.score == pytest.approx([0.72 + 0.1, 0.72 + 0.05, 0.72 + 0.02, 0])
    assert sum(scored.steps.values()) == pytest.approx(scored.score)
    assert scored.steps["text"] == pytest.approx([0.72, 0.72, 0.72, 0])
    assert scored.steps["price"] == pytest.approx([0.1, 0.05, 0.02, 0])


def test_without_any_text_the_price_alone_counts() -> None:
    scored = text_and_price(world(0).context(), table_of({"embeddings": [0, 0], "price": [0.25, 1.0]}))
    assert scored.score.tolist() == scored.steps["price"].tolist() == [0.25, 1.0]
