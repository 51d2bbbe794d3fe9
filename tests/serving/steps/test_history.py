"""A user's events summed up: tastes from the latest, what was seen and disliked from all."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.interactions import FULL_VIEW_SECONDS, InteractionRow
from database.settings import REPOSITORY
from database.state import UserEvents
from serving.steps.history import EXPLICIT, build_history, event_weight, group_weight, grouped, queries_of
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml").interactions
WEIGHTS = PARAMS.weights.model_dump()
NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROWS = {"a": 0, "b": 1, "c": 2}


def event(
    event_type: str,
    item_id: str | None = None,
    query: str | None = None,
    value: float | None = None,
    age: int = 0,
) -> InteractionRow:
    moment = NOW - timedelta(hours=age)
    return InteractionRow(1, "ann", event_type, item_id, query, value, None, moment)


def history(*events: InteractionRow, since: datetime | None = None):  # type: ignore[no-untyped-def]
    return build_history(UserEvents(events), lambda item_id: ROWS.get(item_id, -1), PARAMS, since)


@pytest.mark.parametrize(
    ("event_type", "value", "weight"),
    [
        ("like", None, 5.0),
        ("skip", None, -1.0),
        ("rating", 5.0, 2.5),
        ("rating", 1.0, -1.5),
        ("rating", None, 0.0),
        ("feedback", -1.0, -5.0),
        ("feedback", 0.0, 0.0),
        ("search_query", None, 0.0),
    ],
)
def test_each_event_weighs_what_the_params_say(event_type: str, value: float | None, weight: float) -> None:
    assert event_weight(event_type, value, WEIGHTS, 2.5) == weight


def test_a_history_sums_up_an_items_events() -> None:
    events = (
        event("skip", "b"),
        event("click", "a"),
        event("search_query", query=" tea "),
        event("purchase", "b"),
        event("feedback", "c", value=-1),
        event("click", "gone"),
        event("search_query", query="tea"),
    )
    found = history(*events)
    assert dict(zip(found.liked.tolist(), found.weights.tolist(), strict=True)) == {0: 2.0, 1: 4.0}
    assert found.disliked.tolist() == [2]
    assert sorted(found.seen.tolist()) == [0, 1, 2]
    assert found.events == 7
    assert found.latest[1] == "skip"
    assert queries_of(events) == ("tea",)


@pytest.mark.parametrize(
    ("newest", "liked"),
    [(("feedback", -1.0), []), (("rating", 1.0), []), (("rating", 5.0), [0]), (("feedback", 0.0), [0])],
)
def test_clicks_do_not_outvote_the_latest_opinion(newest: tuple[str, float], liked: list[int]) -> None:
    clicks = [event("click", "a", age=age) for age in (2, 3, 4)]
    found = history(event(newest[0], "a", value=newest[1]), *clicks)
    assert found.liked.tolist() == liked
    assert found.disliked.tolist() == [row for row in (0,) if row not in liked]


def test_a_later_like_takes_an_opinion_back() -> None:
    found = history(event("like", "a"), event("feedback", "a", value=-1, age=1), event("skip", "a", age=2))
    assert (found.liked.tolist(), found.disliked.tolist()) == ([0], [])


@given(st.permutations(range(4)))
def test_of_opinions_at_the_same_moment_the_one_that_was_stored_last_counts(order: list[int]) -> None:
    said = [("feedback", -1.0), ("like", None), ("rating", 1.0), ("feedback", 1.0)]
    groups = [
        grouped([event(said[place][0], "a", value=said[place][1])._replace(interaction_id=number)])[0]
        for number, place in enumerate(order)
    ]
    last = order[-1]
    for groups_as_read in (groups, groups[::-1]):
        found = build_history(
            UserEvents((), tuple(groups_as_read)), lambda item_id: ROWS.get(item_id, -1), PARAMS
        )
        assert bool(found.disliked.tolist()) == (last in (0, 2))


@pytest.mark.parametrize(
    "later", [("rating", PARAMS.neutral_stars), ("rating", None), ("feedback", 0.0), ("feedback", None)]
)
@pytest.mark.parametrize(("said", "liked"), [(("rating", 5.0), [0]), (("feedback", -1.0), [])])
def test_what_is_neutral_does_not_hide_the_opinion_before_it(
    later: tuple[str, float | None], said: tuple[str, float], liked: list[int]
) -> None:
    against = "skip" if liked else "click"
    others = [event(against, "a", age=age) for age in range(2, 9)]
    found = history(event(later[0], "a", value=later[1]), event(said[0], "a", value=said[1], age=1), *others)
    assert found.liked.tolist() == liked
    assert found.disliked.tolist() == [row for row in (0,) if row not in liked]


def test_what_is_out_of_reach_is_seen_and_disliked_but_no_taste() -> None:
    old = (event("purchase", "a", age=900), event("feedback", "b", value=-1, age=900))
    found = history(event("click", "c"), *old, since=NOW - timedelta(days=30))
    assert found.liked.tolist() == [2] and found.events == 1
    assert sorted(found.seen.tolist()) == [0, 1, 2]
    assert found.disliked.tolist() == [1]


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from([*WEIGHTS, "search_query"]),
        st.sampled_from([None, "a", "b", "c", "gone"]),
        value=st.sampled_from([None, -1.0, 0.0, 1.0, 5.0]),
    ),
    max_size=25,
)


@given(EVENTS, st.integers(1, 25))
def test_a_long_history_is_read_as_if_it_were_read_whole(events: list[InteractionRow], limit: int) -> None:
    """What the database sums up of a long history, beside its latest events, says what all events say."""
    events = [
        InteractionRow(
            1, "ann", each.event_type, each.item_id, None, each.value, None, NOW - timedelta(hours=age)
        )
        for age, each in enumerate(events)
    ]
    whole = history(*events)
    cut = build_history(
        UserEvents(tuple(events[:limit]), tuple(grouped(events))),
        lambda item_id: ROWS.get(item_id, -1),
        PARAMS,
    )
    assert sorted(cut.seen.tolist()) == sorted(whole.seen.tolist())
    assert set(whole.disliked.tolist()) - set(cut.liked.tolist()) == set(cut.disliked.tolist())
    for history_ in (whole, cut):
        assert not set(history_.liked.tolist()) & set(history_.disliked.tolist())
        assert (history_.weights > 0).all() and np.isfinite(history_.weights).all()
    for row, item_id in enumerate(("a", "b", "c")):
        said = [
            event_weight(each.event_type, each.value, WEIGHTS, PARAMS.neutral_stars)
            for each in events
            if each.item_id == item_id and each.event_type in EXPLICIT
        ]
        latest = next((weight for weight in said if weight), 0.0)
        if latest > 0:
            assert row in whole.liked
        if latest < 0:
            assert row in whole.disliked


def test_what_is_liked_now_is_not_disliked_for_what_was_long_ago() -> None:
    skipped = [event("skip", "a", age=1000) for _ in range(9)]
    found = history(event("product_click", "a"), *skipped, since=NOW - timedelta(days=30))
    assert (found.liked.tolist(), found.disliked.tolist()) == ([0], [])
    assert history(*skipped, since=NOW - timedelta(days=30)).disliked.tolist() == [0]


def test_an_opinion_stands_where_earlier_ones_cancel_it_exactly() -> None:
    found = history(event("like", "a"), event("feedback", "a", value=-1.0, age=5))
    assert WEIGHTS["like"] == WEIGHTS["feedback"]
    assert (found.liked.tolist(), found.weights.tolist()) == ([0], [WEIGHTS["like"]])
    turned = history(event("feedback", "a", value=-1.0), event("like", "a", age=5))
    assert (turned.liked.tolist(), turned.disliked.tolist()) == ([], [0])


WEIGHED = st.builds(
    lambda event_type, item_id, value, own: event(event_type, item_id, value=value)._replace(weight=own),
    st.sampled_from([*WEIGHTS, "search_query", "added_to_a_list"]),
    st.sampled_from("abc"),
    st.sampled_from([None, -3.0, -1.0, 0.0, 1.0, 4.5, 7.5, 30.0, 600.0]),
    st.sampled_from([None, None, 0.5, -2.0]),
)


@given(st.lists(WEIGHED, max_size=20))
def test_what_is_summed_up_weighs_what_its_events_do(events: list[InteractionRow]) -> None:
    """Of every type, with and without a value, with the type's weight and with their own."""
    expected = dict.fromkeys("abc", 0.0)
    for each in events:
        expected[str(each.item_id)] += event_weight(each.event_type, each.value, WEIGHTS, 2.5, each.weight)
    found = dict.fromkeys("abc", 0.0)
    for group in grouped(events):
        found[group.item_id] += group_weight(group, WEIGHTS, 2.5)
    assert found == pytest.approx(expected)


def test_a_view_counts_by_its_length_and_a_word_of_the_shops_by_its_own_weight() -> None:
    half, whole = (event_weight("view_time", value, WEIGHTS, 2.5) for value in (FULL_VIEW_SECONDS / 2, None))
    assert half == whole / 2 > 0
    found = history(event("click", "a")._replace(weight=0.25), event("click", "b"))
    assert dict(zip(found.liked.tolist(), found.weights.tolist(), strict=True)) == {
        0: 0.25,
        1: WEIGHTS["click"],
    }


UNSAID = st.builds(
    lambda event_type, item_id, value: event(event_type, item_id, value=value),
    st.sampled_from(["click", "skip", "product_click", "view_time", "search_query"]),
    st.sampled_from("abc"),
    st.sampled_from([None, -3.0, 0.0, 7.5, 600.0]),
)


@given(st.lists(UNSAID, max_size=12))
def test_without_an_opinion_the_sum_of_an_items_events_decides(events: list[InteractionRow]) -> None:
    """Above zero it is liked, below zero disliked, and at zero neither."""
    sums: dict[str, float] = {}
    for each in events:
        weight = event_weight(each.event_type, each.value, WEIGHTS, PARAMS.neutral_stars)
        sums[str(each.item_id)] = sums.get(str(each.item_id), 0.0) + weight
    found = history(*events)
    liked = dict(zip(found.liked.tolist(), found.weights.tolist(), strict=True))
    assert liked == pytest.approx({ROWS[item]: total for item, total in sums.items() if total > 1e-9})
    assert set(found.disliked.tolist()) == {ROWS[item] for item, total in sums.items() if total < -1e-9}
    assert set(found.seen.tolist()) == {ROWS[item] for item in sums}


@given(st.permutations([("feedback", -1.0), ("like", None), ("rating", 1.0)]), st.permutations(range(3)))
def test_the_latest_opinion_counts_also_where_a_log_of_earlier_ones_was_loaded_after_it(
    said: list[tuple[str, float | None]], stored: list[int]
) -> None:
    events = [
        event(name, "a", value=value, age=age)._replace(interaction_id=number)
        for age, ((name, value), number) in enumerate(zip(said, stored, strict=True))
    ]
    found = history(*events)
    assert (found.liked.tolist() == [0]) == (said[0][0] == "like")
    assert (found.disliked.tolist() == [0]) == (said[0][0] != "like")


@given(
    st.lists(
        st.builds(
            lambda event_type, item_id, value, own: event(event_type, item_id, value=value)._replace(
                weight=own
            ),
            st.sampled_from([*WEIGHTS, "search_query", "added_to_a_list"]),
            st.sampled_from([None, "a", "b", "c", "gone"]),
            st.sampled_from([None, -3.0, -1.0, 0.0, 0.3, 1.0, 4.5, 30.0, 600.0]),
            st.sampled_from([None, None, None, 0.1, 0.7, -2.0]),
        ),
        max_size=20,
    ),
    st.integers(0, 20),
)
def test_only_what_may_be_disliked_is_summed_up_and_nothing_else_changes(
    events: list[InteractionRow], recent: int
) -> None:
    """As if all that the user ever did were summed up, as the database does for a long history."""
    events = [
        each._replace(interaction_id=100 - age, occurred_at=NOW - timedelta(hours=age))
        for age, each in enumerate(events)
    ]
    since = NOW - timedelta(hours=recent)
    quick = history(*events, since=since)
    plain = build_history(
        UserEvents(tuple(events), tuple(grouped(events))),
        lambda item_id: ROWS.get(item_id, -1),
        PARAMS,
        since,
    )
    for name in ("liked", "weights", "disliked", "seen"):
        assert getattr(quick, name).tolist() == getattr(plain, name).tolist(), name
    assert (quick.events, dict(quick.latest)) == (plain.events, dict(plain.latest))
