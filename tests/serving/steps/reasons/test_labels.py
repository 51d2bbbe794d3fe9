"""What put an item into a list is the column that gave its score most."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.steps.reasons import labels
from tests.worlds.tables import floats, table_of
from tests.worlds.world import texts, user, world


@given(
    st.integers(1, 4).flatmap(
        lambda count: st.lists(
            st.lists(st.integers(-3, 3), min_size=count, max_size=count), min_size=1, max_size=3
        )
    )
)
def test_the_strongest_is_the_largest_and_the_earlier_of_equals(given_by: list[list[int]]) -> None:
    names = [f"step {number}" for number in range(len(given_by))]
    table = table_of({"als": [0.0] * len(given_by[0])})
    table = replace(
        table, steps={name: floats(*values) for name, values in zip(names, given_by, strict=True)}
    )
    wanted = [names[int(np.argmax(column))] for column in np.array(given_by).T]
    assert labels.strongest(table, names) == wanted
    assert labels.strongest(table, []) == [""] * len(table)


def test_of_home_it_is_a_model_only_where_the_clicked_items_give_most() -> None:
    table = table_of({"als": [1, 0, 0], "nmf": [0, 1, 0]})
    steps: dict[str, list[float]] = {
        "als": [3, 1, 0],
        "nmf": [1, 2, 0],
        "clicked": [0.5, 0.5, 0],
        "search": [0, 0, 0.3],
    }
    table = replace(table, steps={name: floats(*values) for name, values in steps.items()})
    assert labels.of_home(world(0).context(), table) == ["als", "nmf", "search"]


def test_of_a_cold_start() -> None:
    made = world(0)
    asked = made.context(user=replace(user(made, 1), interests=tuple(texts(1, 1))), shares={"cf": 0.5})
    table = table_of({"interest 1": [0, 0.4, 0]})
    steps: dict[str, list[float]] = {"cf": [1, 0, 0], "warm": [0.9, 0.1, 0.1], "cold": [0.1, 0.8, 0.8]}
    table = replace(table, steps={name: floats(*values) for name, values in steps.items()})
    assert labels.of_cold_start(asked, table) == ["cf", "interests", "popular"]


def test_of_one_model_or_of_both() -> None:
    made, table = world(0), table_of({"cf": [1.0]})
    assert labels.of_hybrid(made.context(shares={"cf": 0.5, "embeddings": 0.5}), table) == ["hybrid"]
    assert labels.of_hybrid(made.context(shares={"cf": 1.0}), table) == ["cf"]


def test_of_searches_new_items_and_popularity() -> None:
    asked = world(0).context()
    assert labels.of_search(asked, table_of({"words": [0.1, 0]})) == ["search", "embeddings"]
    nearby = table_of({"embeddings": [0.5, 0.2, 0], "tfidf": [0.2, 0.2, 0]})
    assert labels.of_new_item(asked, nearby) == ["embeddings", "tfidf", "price"]
    rows = np.flatnonzero(asked.live)[:60].tolist()
    events = asked.rankings.events[rows].tolist()
    found = labels.of_popularity(asked, table_of({"popularity": [0, 1] * 30}, rows=rows))
    wanted = ["trending" if each else ("new", "popular")[place % 2] for place, each in enumerate(events)]
    assert found == wanted and len(set(wanted)) == 3
