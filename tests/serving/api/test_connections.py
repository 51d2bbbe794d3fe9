"""A client's connections spread over the workers, and its only one stays."""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.settings import Settings
from serving.api.connections import (
    ANSWERS_A_CONNECTION,
    WINDOW,
    Balanced,
    ClosedInTurn,
    connections_of,
    make_counts,
)


def workers_of(folder: Path, workers: int) -> list[Any]:
    return [connections_of(folder, number) for number in range(1, workers + 1)]


def asked_of(
    workers: Sequence[Any], place: Sequence[int], answers: int, seed: int = 0
) -> tuple[list[int], int]:
    """Where each connection is after so many answers, and how many closings that took.

    Each connection always has a request under way, and a closed one is accepted by anybody.
    """
    draw, place, closings = random.Random(seed), list(place), 0
    for each in place:
        workers[each].begin()
    for _ in range(answers):
        # Workers answer equally often, whatever waits there.
        worker = draw.choice(sorted(set(place)))
        connection = draw.choice([number for number, at in enumerate(place) if at == worker])
        closes = workers[worker].closes()
        workers[worker].end()
        if closes:
            closings += 1
            place[connection] = draw.randrange(len(workers))
        workers[place[connection]].begin()
    for each in place:
        workers[each].end()
    return place, closings


@settings(max_examples=20, deadline=None)
@given(workers=st.integers(2, 4), connections=st.integers(2, 16), seed=st.integers(0, 100))
def test_connections_of_one_worker_spread(
    tmp_path_factory: pytest.TempPathFactory, workers: int, connections: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("shared")
    make_counts(folder, workers)
    with ExitStack() as stack:
        all_of_them = workers_of(folder, workers)
        for each in all_of_them:
            stack.enter_context(each.accepted())
        place, _ = asked_of(all_of_them, [0] * connections, 500 * WINDOW, seed)
        # What is left differs by less than what one more move would change.
        shares = [Counter(place)[worker] for worker in range(workers)]
        assert max(shares) - min(shares) <= 2


def test_those_that_are_spread_are_left_alone(tmp_path: Path) -> None:
    make_counts(tmp_path, 2)
    first, second = workers_of(tmp_path, 2)
    with first.accepted(), second.accepted():
        assert asked_of([first, second], [0, 0, 1, 1], 50 * WINDOW) == ([0, 0, 1, 1], 0)


def test_a_client_s_only_connection_stays(tmp_path: Path) -> None:
    make_counts(tmp_path, 2)
    first, second = workers_of(tmp_path, 2)
    with first.accepted(), second.accepted():
        assert asked_of([first, second], [0], 50 * WINDOW) == ([0], 0)


def test_nothing_is_closed_for_a_worker_that_does_not_accept(tmp_path: Path) -> None:
    make_counts(tmp_path, 2)
    first, second = workers_of(tmp_path, 2)
    with first.accepted():
        assert asked_of([first], [0] * 4, 10 * WINDOW)[1] == 0
        with second.accepted():
            assert asked_of([first, second], [0] * 4, 10 * WINDOW)[1] > 0
        assert asked_of([first], [0] * 4, 10 * WINDOW)[1] == 0


def test_who_is_killed_and_started_again_begins_anew(tmp_path: Path) -> None:
    make_counts(tmp_path, 2)
    first, killed = workers_of(tmp_path, 2)
    with first.accepted():
        killed.accepted().__enter__()
        for _ in range(9):
            killed.begin()
        again = connections_of(tmp_path, 2)
        assert asked_of([first], [0] * 20, 10 * WINDOW)[1] == 0  # it is loading
        with again.accepted():
            assert asked_of([first, again], [0] * 4, 10 * WINDOW)[1] > 0


def test_a_worker_that_is_alone_closes_one_in_so_many(tmp_path: Path) -> None:
    alone = [connections_of(None, 1), connections_of(tmp_path, 1), connections_of(tmp_path, None)]
    make_counts(tmp_path, 1)
    alone.append(connections_of(tmp_path, 3))  # a number that nobody thought of
    for each in alone:
        assert isinstance(each, ClosedInTurn)
        closing = [number for number in range(2 * ANSWERS_A_CONNECTION) if each.closes()]
        assert len(closing) == 2 and closing[1] - closing[0] == ANSWERS_A_CONNECTION


async def test_an_answer_says_that_its_connection_closes(served: Any) -> None:
    http = await served(Settings(_env_file=None), new=True)
    asked = [await http.get("/status") for _ in range(ANSWERS_A_CONNECTION)]
    closing = [answer.headers.get("connection") for answer in asked]
    assert closing[-1] == "close" and set(closing[:-1]) == {None}


def test_places_are_for_workers_and_those_that_take_theirs(tmp_path: Path) -> None:
    make_counts(tmp_path, 2)
    assert all(isinstance(each, Balanced) for each in workers_of(tmp_path, 4))
