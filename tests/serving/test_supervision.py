"""Workers that die are started again soon, in containers too."""

import pytest
from bentoml._internal.utils import circus as bentoml_circus
from bentoml.serving import create_watcher

from serving.service import Shortlist
from serving.supervision import LOOKS_EVERY_SECONDS


def test_bentoml_makes_a_supervisor_that_looks_often_and_restarts_in_a_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bentoml_circus, "Arbiter", bentoml_circus.Arbiter)  # put back afterwards
    monkeypatch.setattr("bentoml.serving.running_inside_container", lambda: True)
    for name in dir(Shortlist.inner):  # as BentoML does before it makes its supervisor
        member = getattr(Shortlist.inner, name)
        if callable(member) and getattr(member, "__bentoml_deployment_hook__", False):
            member()
    watcher = create_watcher(name="service", args=["-c", "pass"], numprocesses=2)
    supervisor = bentoml_circus.create_standalone_arbiter([watcher])
    assert supervisor.check_delay == LOOKS_EVERY_SECONDS < 10
    assert watcher.respawn


def test_it_leaves_workers_alone_while_they_are_started_or_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bentoml_circus, "Arbiter", bentoml_circus.Arbiter)
    Shortlist.inner.watch_workers()
    supervisor = bentoml_circus.create_standalone_arbiter([])
    supervisor._exclusive_running_command = "arbiter_stop"
    assert supervisor.manage_watchers() is None  # circus' own raises ConflictError
