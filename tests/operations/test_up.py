"""What the start makes of a training that ends without a bundle, and of a bundle that is refused."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from database.settings import REPOSITORY, Settings
from operations import train, up
from operations.answer import BundleRefusedError
from operations.errors import PreflightError, RunFailedError
from operations.reporter import Reporter


class FakeSession:
    """A session with Airflow's API that only opens and closes."""

    def __init__(self, settings: object) -> None:
        pass

    def __enter__(self) -> "FakeSession":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sign_in(self) -> None:
        """Nothing to sign in to."""


class FakePlatform:
    """A started platform: which bundle is deployed, what each training does, what the service refuses."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, deployed: str | None, trains: list[str | Exception]
    ) -> None:
        self.deployed, self.trains = deployed, trains
        self.refused: dict[str, str] = {}
        self.under_way: str | None = None
        self.ran: list[tuple[str, bool]] = []
        self.told = io.StringIO()
        self.settings = SimpleNamespace()
        self.report = Reporter(self.told)
        monkeypatch.setattr(up, "AirflowApi", FakeSession)
        monkeypatch.setattr(up, "wait_for_bundle", self._wait)
        monkeypatch.setattr(train, "deployed_bundle", lambda _: self.deployed)
        monkeypatch.setattr(train, "run_to_end", self._train)
        monkeypatch.setattr(train, "finish_running", self._finish)

    def _finish(self, _platform: object, _api: object, dag_id: str) -> None:
        if dag_id == "daily_training":
            self.deployed = self.under_way or self.deployed

    def _train(self, _platform: object, _api: object, dag_id: str, *, force: bool) -> None:
        self.ran.append((dag_id, force))
        if dag_id != "daily_training":
            return
        outcome = self.trains.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        self.deployed = outcome

    def _wait(self, _platform: object, bundle_id: str) -> None:
        if bundle_id in self.refused:
            raise BundleRefusedError(bundle_id, self.refused[bundle_id])

    def ensure(self) -> bool:
        platform: Any = self
        return up._ensure_bundle(platform)


def failed(task: str) -> RunFailedError:
    return RunFailedError(f"daily_training failed in {task}", "See the log", frozenset({task}))


def test_what_serves_already_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakePlatform(monkeypatch, "one", [])
    assert platform.ensure()
    assert platform.ran == []


def test_a_bundle_that_a_run_under_way_makes_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakePlatform(monkeypatch, None, [])
    platform.under_way = "of the last 03:00"
    assert platform.ensure()
    assert platform.ran == [("hourly_trending", False)]


def test_the_platform_stays_up_when_the_gate_refuses_the_first_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = FakePlatform(monkeypatch, None, [failed("gate")])
    assert not platform.ensure()
    assert "failed in gate" in platform.told.getvalue()


def test_any_other_failure_of_the_first_training_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailedError, match="failed in train_als"):
        FakePlatform(monkeypatch, None, [failed("train_als")]).ensure()


def test_a_refused_bundle_is_replaced_by_a_forced_training(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakePlatform(monkeypatch, "old", ["new"])
    platform.refused = {"old": "was made by another version"}
    assert platform.ensure()
    assert platform.ran == [("daily_training", True)]
    assert "The service rejected bundle old: was made by another version" in platform.told.getvalue()


def test_a_damaged_bundle_that_is_rebuilt_is_left_to_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakePlatform(monkeypatch, "old", ["old"])
    platform.refused = {"old": "damaged"}
    assert platform.ensure()
    assert "was rebuilt" in platform.told.getvalue()


def test_a_refused_bundle_whose_successor_the_gate_refuses_is_not_called_rebuilt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = FakePlatform(monkeypatch, "old", [failed("gate")])
    platform.refused = {"old": "was made by another version"}
    assert not platform.ensure()
    assert "was rebuilt" not in platform.told.getvalue()


def test_an_old_params_file_stops_the_start_with_every_edit(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, workspace=tmp_path)
    shipped = (REPOSITORY / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(shipped)
    up.check_params(settings)
    (tmp_path / "params.yaml").write_text(f"{shipped}\nrp3beta: {{alpha: 1.0}}\nmade_up: 3\n")
    with pytest.raises(PreflightError, match=r"rp3beta: remove it .*made_up.*`make up` again"):
        up.check_params(settings)
    (tmp_path / "params.yaml").unlink()
    with pytest.raises(PreflightError, match="No such file"):
        up.check_params(settings)
