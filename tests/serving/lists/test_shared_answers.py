"""What workers share of their answers: whole or not at all, whoever writes, ends or finds no room."""

import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.experiments.exposure import MadeBy, ShownList
from serving.lists import shared_answers
from serving.lists.shared_answers import OFFERED, SharedAnswer, SharedAnswers

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LISTS = st.builds(
    ShownList,
    name=TEXTS,
    part=TEXTS,
    shared=st.booleans(),
    item_ids=st.lists(TEXTS, max_size=3).map(tuple),
    propensities=st.none() | st.lists(st.floats(0, 1), max_size=3).map(tuple),
    models=st.lists(st.tuples(TEXTS, st.integers(0, 60)), max_size=3).map(tuple),
    fallback=st.none() | TEXTS,
)
ANSWERS = st.builds(
    SharedAnswer,
    moment=TEXTS,
    user_id=TEXTS,
    events=TEXTS,
    day=st.dates(),
    made_at=st.datetimes(timezones=st.just(UTC)),
    until=st.datetimes(timezones=st.just(UTC)),
    listed_until=st.floats(allow_nan=False, allow_infinity=False),
    by=st.builds(MadeBy, TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    cold=st.booleans(),
    lists=st.lists(LISTS, max_size=3).map(tuple),
    headers=st.lists(st.tuples(st.just(b"content-type"), TEXTS.map(str.encode)), max_size=2).map(tuple),
    route=TEXTS,
    ignored=st.lists(TEXTS, max_size=2).map(tuple),
    shown=st.none() | st.integers(0, 60),
)


def answer_of(user_id: str) -> SharedAnswer:
    by = MadeBy("bundle", None, None)
    return SharedAnswer(
        "now", user_id, "events", NOW.date(), NOW, NOW, 0.0, by, False, (), (), "/home", (), None
    )


@pytest.fixture
def memory(tmp_path: Path) -> str:
    path = tmp_path / "answers"
    path.touch()
    return str(path)


@pytest.fixture
def two(memory: str) -> Iterator[tuple[SharedAnswers, SharedAnswers]]:
    workers = SharedAnswers(memory), SharedAnswers(memory)
    yield workers
    for each in workers:
        each.close()


@contextmanager
def offered() -> Iterator[str]:
    """The memory that this process offers to its children."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OFFERED, raising=False)
        shared_answers.offer()
        if OFFERED not in os.environ:
            pytest.skip("this system has no memory without a name")
        path = os.environ[OFFERED]
        try:
            yield path
        finally:
            os.close(int(path.rpartition("/")[2]))


@given(asked=st.binary(max_size=600), answer=ANSWERS, body=st.binary(max_size=1000))
def test_another_worker_finds_what_one_has_kept(asked: bytes, answer: SharedAnswer, body: bytes) -> None:
    with offered() as path:
        one, other = SharedAnswers(path), SharedAnswers(path)
        try:
            one.keep(asked, answer, body)
            assert other.find(asked) == (answer, body)
            assert other.find(asked + b"x") is None
            other.clear()
            assert one.find(asked) is None
        finally:
            one.close()
            other.close()


def test_what_is_damaged_or_cut_short_is_not_found(
    memory: str, two: tuple[SharedAnswers, SharedAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_answers, "_SLOTS", 1)
    one, other = two
    one.keep(b"asked", answer_of("ann"), b"body")
    whole, found = Path(memory).read_bytes(), (answer_of("ann"), b"body")
    lacks = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        Path(memory).write_bytes(damaged)
        lacks += other.find(b"asked") is None
        assert other.find(b"asked") in (None, found), place
        Path(memory).write_bytes(whole[:place])
        assert other.find(b"asked") is None, place
    assert lacks >= len(whole) - 4  # a length that is too long harms nothing at the end of the file
    Path(memory).write_bytes(whole)
    assert other.find(b"asked") == found


def test_what_takes_the_place_of_another_is_found_alone(
    two: tuple[SharedAnswers, SharedAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_answers, "_SLOTS", 1)
    one, other = two
    one.keep(b"ann", answer_of("ann"), b"long" * 1000)
    other.keep(b"bea", answer_of("bea"), b"short")
    assert one.find(b"ann") is None
    assert one.find(b"bea") == (answer_of("bea"), b"short")


def test_long_answers_are_not_shared(two: tuple[SharedAnswers, SharedAnswers]) -> None:
    one, other = two
    one.keep(b"asked", answer_of("ann"), b"x" * 70_000)
    assert other.find(b"asked") is None


def test_an_answer_of_other_code_is_not_found(
    two: tuple[SharedAnswers, SharedAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    with monkeypatch.context() as patch:
        patch.setattr(SharedAnswers, "_told", staticmethod(lambda answer: b'{"moment": "now"}'))
        one.keep(b"asked", answer_of("ann"), b"body")
    assert other.find(b"asked") is None


def test_without_room_nothing_more_is_shared(
    two: tuple[SharedAnswers, SharedAnswers],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, other = two

    def no_room(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_room)
        one.keep(b"asked", answer_of("ann"), b"body")
    one.keep(b"asked", answer_of("ann"), b"body")
    assert "no room" in caplog.text
    assert one.find(b"asked") is None
    assert other.find(b"asked") is None
    one.clear()


def test_what_is_not_there_or_not_offered_is_not_shared(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), None):
        alone = SharedAnswers(path)
        alone.keep(b"asked", answer_of("ann"), b"body")
        assert alone.find(b"asked") is None
        alone.clear()
        alone.close()


def test_a_system_that_refuses_such_memory_serves_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str) -> int:
        raise PermissionError(errno.EACCES, "not allowed")

    monkeypatch.setenv(OFFERED, "/proc/1/fd/3")  # of another process that has ended
    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    shared_answers.offer()
    assert OFFERED not in os.environ
    assert "not allowed" in caplog.text


def write_on(memory: str, name: str) -> None:
    """Keep long answers until killed."""
    worker = SharedAnswers(memory)
    while True:
        worker.keep(b"asked", answer_of(name), name.encode() * 10_000)


def test_of_workers_that_write_and_are_killed_no_half_answer_is_found() -> None:
    with offered() as path:
        _write_and_be_killed(path)


def _write_and_be_killed(memory: str) -> None:
    start = multiprocessing.get_context("spawn").Process
    reader = SharedAnswers(memory)
    found: list[tuple[SharedAnswer, bytes] | None] = []
    writers = [start(target=write_on, args=(memory, name)) for name in ("ann", "bea")]
    for each in writers:
        each.start()
    try:
        give_up = time.monotonic() + 60
        while not {"ann", "bea"} <= {each and each[0].user_id for each in found}:
            found = [*found[-500:], reader.find(b"asked")]
            assert time.monotonic() < give_up
    finally:
        for each in writers:
            os.kill(each.pid or 0, signal.SIGKILL)
            each.join()
    found.append(reader.find(b"asked"))
    for kept in found:
        assert kept is None or kept[1] == kept[0].user_id.encode() * 10_000
    assert any(found)
    reader.keep(b"asked", answer_of("cid"), b"whole")
    assert reader.find(b"asked") == (answer_of("cid"), b"whole")
    reader.close()
