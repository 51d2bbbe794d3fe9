"""A DAG run is followed to its end, whatever the API does meanwhile, and a failure names its task."""

import io
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from operations import train
from operations.commands import AbortedError
from operations.errors import StartError
from operations.reporter import Reporter


class FakeApi:
    """Airflow's API as a list of answers, one a poll; an exception in it is raised."""

    address = "http://airflow"

    def __init__(
        self, polls: list[tuple[str, dict[str, str]] | Exception], unfinished: dict[str, str] | None = None
    ) -> None:
        self._polls = polls
        self._now: tuple[str, dict[str, str]] = ("queued", {})
        self._unfinished = unfinished or {}
        self.triggered: list[str] = []
        self.followed: list[str] = []
        self.paused = False

    def unfinished_run(self, dag_id: str) -> str | None:
        return next(iter(self._unfinished), None)

    def running_run(self, dag_id: str) -> str | None:
        return next((run_id for run_id, state in self._unfinished.items() if state == "running"), None)

    def is_paused(self, dag_id: str) -> bool:
        return self.paused

    def trigger(self, dag_id: str, note: str, conf: Mapping[str, Any]) -> str:
        self.triggered.append(f"{dag_id} by force" if conf else dag_id)
        return "new"

    def run_state(self, dag_id: str, run_id: str) -> str:
        answer = self._polls.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self._now = answer
        self.followed.append(run_id)
        if answer[0] in {"success", "failed"}:
            self._unfinished.pop(run_id, None)
            # One run at a time: the next begins at once.
            self._unfinished = dict.fromkeys(self._unfinished, "running")
        return answer[0]

    def failure(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        return f"ValueError: {task_id} in attempt {attempt}"

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return [
            {"task_id": name, "state": state, "duration": 1.25, "try_number": 1}
            for name, state in self._now[1].items()
        ]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "POLL_SECONDS", 0)


def follow(api: FakeApi) -> tuple[train.Outcome, str]:
    stream = io.StringIO()
    outcome = train.follow(api, "daily", "r", Reporter(stream), threading.Event())  # type: ignore[arg-type]
    return outcome, stream.getvalue()


def test_each_change_of_a_task_is_shown_once() -> None:
    polls: list[tuple[str, dict[str, str]] | Exception] = [
        ("running", {"als": "running", "nmf": "scheduled"}),
        ("running", {"als": "running", "nmf": "running"}),
        ("success", {"als": "success", "nmf": "success"}),
    ]
    outcome, shown = follow(FakeApi(polls))
    assert outcome == train.Outcome("success", {})
    lines = [line.split("daily  ")[1] for line in shown.splitlines()]
    assert [line.split() for line in lines] == [
        ["als", "running"],
        ["nmf", "running"],
        ["als", "success", "in", "1.2", "s"],
        ["nmf", "success", "in", "1.2", "s"],
    ]


def test_a_failure_names_the_task_that_failed_and_not_those_behind_it() -> None:
    polls: list[tuple[str, dict[str, str]] | Exception] = [
        ("failed", {"validate": "failed", "als": "upstream_failed"})
    ]
    outcome, _ = follow(FakeApi(polls))
    assert outcome == train.Outcome("failed", {"validate": "ValueError: validate in attempt 1"})


def test_the_first_failed_attempt_says_at_once_what_it_raised() -> None:
    polls: list[tuple[str, dict[str, str]] | Exception] = [
        ("running", {"als": "up_for_retry"}),
        ("running", {"als": "running"}),
        ("success", {"als": "success"}),
    ]
    _, shown = follow(FakeApi(polls))
    first, second, *_ = shown.splitlines()
    assert first.endswith("als                up_for_retry")
    assert second.strip() == "ValueError: als in attempt 1"


def test_a_restart_of_the_api_server_is_sat_out() -> None:
    polls = [httpx.ConnectError("away"), ("success", {"als": "success"})]
    assert follow(FakeApi(polls))[0].state == "success"  # type: ignore[arg-type]


def test_an_api_that_stays_away_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "PATIENCE_SECONDS", -1)
    with pytest.raises(httpx.ConnectError):
        follow(FakeApi([httpx.ConnectError("away")]))


def test_giving_up_ends_the_wait() -> None:
    abort = threading.Event()
    abort.set()
    api = FakeApi([("running", {})])
    with pytest.raises(AbortedError):
        train.follow(api, "daily", "r", Reporter(io.StringIO()), abort)  # type: ignore[arg-type]


def run_to_end(api: FakeApi, *, force: bool = False) -> str:
    """What a command does: finish what is under way, then run."""
    stream = io.StringIO()
    platform: Any = SimpleNamespace(
        report=Reporter(stream), abort=threading.Event(), place=SimpleNamespace(logs=Path("logs"))
    )
    airflow: Any = api
    train.finish_running(platform, airflow, "daily")
    train.run_to_end(platform, airflow, "daily", force=force)
    return stream.getvalue()


EMPTY: tuple[str, dict[str, str]] = ("failed", {"validate": "failed", "als": "upstream_failed"})


def test_a_run_that_waits_to_begin_is_followed_and_not_doubled() -> None:
    api = FakeApi([("success", {})], unfinished={"earlier": "queued"})
    run_to_end(api)
    assert (api.followed, api.triggered) == (["earlier"], [])
    api = FakeApi([("success", {})])
    run_to_end(api)
    assert (api.followed, api.triggered) == (["new"], ["daily"])


def test_a_run_that_began_before_the_data_was_there_is_followed_by_one_on_the_data() -> None:
    api = FakeApi([EMPTY, ("success", {"als": "success"})], unfinished={"at three": "running"})
    said = run_to_end(api)
    assert (api.followed, api.triggered) == (["at three", "new"], ["daily"])
    assert "daily is running already (http://airflow/dags/daily/runs/at three)" in said
    assert "That run of daily failed" in said


def test_of_a_run_that_is_under_way_and_one_that_waits_the_second_has_the_data() -> None:
    api = FakeApi([("success", {}), ("success", {})], unfinished={"first": "running", "second": "queued"})
    run_to_end(api)
    assert (api.followed, api.triggered) == (["first", "second"], [])


def test_a_forced_run_comes_after_one_that_is_under_way_and_fails() -> None:
    api = FakeApi([EMPTY, ("success", {})], unfinished={"first": "running", "second": "queued"})
    run_to_end(api, force=True)
    assert (api.followed, api.triggered) == (["first", "new"], ["daily by force"])


def test_a_run_of_a_paused_dag_is_not_waited_for() -> None:
    api = FakeApi([], unfinished={"first": "running"})
    api.paused = True
    with pytest.raises(StartError, match=r"paused in Airflow.*Unpause it at http://airflow/dags/daily"):
        run_to_end(api)
    assert api.followed == []


def test_a_forced_run_is_a_new_one_whatever_is_under_way() -> None:
    api = FakeApi([], unfinished={"earlier": "queued"})
    assert train.start_run(api, "daily", force=True) == "new"  # type: ignore[arg-type]
    assert api.triggered == ["daily by force"]
