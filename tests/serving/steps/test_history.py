"""A user's events summed up."""

from dataclasses import dataclass

import pytest

from database.settings import REPOSITORY
from serving.steps.history import build_history, event_weight, queries_of
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml").interactions
WEIGHTS = PARAMS.weights.model_dump()


@dataclass(frozen=True)
class Event:
    event_type: str
    item_id: str | None = None
    query: str | None = None
    value: float | None = None


@pytest.mark.parametrize(
    ("event", "weight"),
    [
        (Event("like", "a"), 5.0),
        (Event("skip", "a"), -1.0),
        (Event("rating", "a", value=5), 2.5),
        (Event("rating", "a", value=1), -1.5),
        (Event("rating", "a"), 0.0),
        (Event("feedback", "a", value=-1), -5.0),
        (Event("feedback", "a", value=0), 0.0),
        (Event("search_query", query="tea"), 0.0),
    ],
)
def test_each_event_weighs_what_the_params_say(event: Event, weight: float) -> None:
    assert event_weight(event, WEIGHTS, 2.5) == weight


def test_a_history_sums_up_an_items_events() -> None:
    events = [
        Event("skip", "b"),
        Event("click", "a"),
        Event("search_query", query=" tea "),
        Event("like", "b"),
        Event("feedback", "c", value=-1),
        Event("click", "gone"),
        Event("search_query", query="tea"),
    ]
    rows = {"a": 0, "b": 1, "c": 2}
    history = build_history(events, lambda item_id: rows.get(item_id, -1), PARAMS)
    assert dict(zip(history.liked.tolist(), history.weights.tolist(), strict=True)) == {0: 2.0, 1: 4.0}
    assert history.disliked.tolist() == [2]
    assert sorted(history.seen.tolist()) == [0, 1, 2]
    assert history.events == 7
    assert history.latest[1] == "skip"
    assert queries_of(events) == ("tea",)
