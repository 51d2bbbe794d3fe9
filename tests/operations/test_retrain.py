"""`make train`: what it follows, when it trains twice, and how it ends."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from operations import retrain, train
from operations.errors import RunFailedError, StartError
from operations.reporter import Reporter


class FakeAirflow:
    """Airflow's API, as far as it is asked before a run."""

    up, paused = True, frozenset[str]()
    address = "http://airflow"

    def __init__(self, settings: object) -> None:
        pass

    def __enter__(self) -> "FakeAirflow":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def healthy(self, within: float) -> bool:
        assert within > 0  # a busy machine's heartbeats are late
        return self.up

    def sign_in(self) -> None:
        """Nothing to sign in to."""

    def is_paused(self, dag_id: str) -> bool:
        return dag_id in self.paused


class Shop:
    """An installation whose runs end as told, with a bundle or an error; `weights` is what a week writes."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        runs: list[str | Exception | None],
        weights: str | None,
    ) -> None:
        self.deployed: str | None = None
        self.interactions, self.refused = 1000, False
        self.learned = weights is None
        self.under_way: str | None = None
        self.ran: list[tuple[str, bool]] = []
        self.told = io.StringIO()
        self._runs, self._weights = runs, weights
        self._params = tmp_path / "params.yaml"
        self._params.write_text("old")
        platform = SimpleNamespace(
            settings=None,
            report=Reporter(self.told),
            place=SimpleNamespace(logs="logs"),
            abort=None,
            counts=lambda: SimpleNamespace(interactions=self.interactions),
        )
        monkeypatch.setattr(retrain, "Platform", lambda *_: platform)
        monkeypatch.setattr(retrain, "AirflowApi", FakeAirflow)
        monkeypatch.setattr(retrain, "open_workspace", lambda _: SimpleNamespace(params_file=self._params))
        monkeypatch.setattr(retrain, "learned_on_this_data", lambda *_: self.learned)
        monkeypatch.setattr(retrain, "outcome_lines", lambda *_: ["THE TABLE"])
        monkeypatch.setattr(retrain, "wait_for_bundle", lambda *_: None)
        monkeypatch.setattr(retrain, "_show_examples", lambda _: None)
        monkeypatch.setattr(train, "deployed_bundle", lambda _: self.deployed)
        monkeypatch.setattr(train, "gate_reasons", lambda _: ["accuracy: worse"] if self.refused else [])
        monkeypatch.setattr(train, "run_to_end", self._run)
        monkeypatch.setattr(train, "finish_running", self._finish)

    def _finish(self, _platform: object, _api: object, dag_id: str) -> None:
        if dag_id == "weekly_blend" and self.under_way is not None:
            self.learned = True
            self._params.write_text(self.under_way)

    def _run(self, _platform: object, _api: object, dag_id: str, *, force: bool = False, note: str) -> None:
        assert note == "make train"
        self.ran.append((dag_id, force))
        if dag_id == "weekly_blend":
            assert self._weights is not None
            self.learned = True
            self._params.write_text(self._weights)
            return
        outcome = self._runs.pop(0)
        if isinstance(outcome, Exception):
            self.refused = True
            raise outcome
        self.refused = self.refused and outcome == self.deployed
        self.deployed = outcome

    def train(self, *, force: bool = False, weights: bool = True) -> str:
        nothing: Any = None
        retrain.run(nothing, force=force, weights=weights)
        return self.told.getvalue()


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeAirflow, "up", True)
    monkeypatch.setattr(FakeAirflow, "paused", frozenset())


def test_weights_of_this_data_are_learned_once_and_trained_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one", "two", "three"], weights="new")
    said = shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training", "weekly_blend", "daily_training"]
    assert "The service uses bundle two" in said and said.rstrip().endswith("THE TABLE")
    shop.train()
    assert [dag for dag, _ in shop.ran[3:]] == ["daily_training"]


def test_weights_that_a_run_under_way_learns_are_not_learned_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one", "two"], weights="never")
    shop.under_way = "new"
    assert "The service uses bundle two" in shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training", "daily_training"]


def test_weights_that_are_no_better_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one"], weights="old")
    assert shop.train().count("THE TABLE") == 1
    assert [dag for dag, _ in shop.ran] == ["daily_training", "weekly_blend"]


def test_weights_are_left_alone_where_that_is_asked_or_their_dag_is_paused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one", "two"], weights="new")
    shop.train(weights=False)
    monkeypatch.setattr(FakeAirflow, "paused", frozenset({"weekly_blend"}))
    assert "weekly_blend is paused" in shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training", "daily_training"]


def test_nothing_new_is_said_and_force_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one", "one"], weights=None)
    shop.train()
    assert "one stays in service" in shop.train(force=True)
    assert [force for _, force in shop.ran] == [False, True]


def test_a_bundle_that_the_gate_refuses_is_shown_with_its_figures_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = RunFailedError("daily_training failed in gate", "See the log", frozenset({"gate"}))
    shop = Shop(monkeypatch, tmp_path, [refused], weights=None)
    with pytest.raises(
        RunFailedError, match=r"refused .*accuracy: worse.*no bundle is in service.*More events"
    ):
        shop.train()
    assert "THE TABLE" in shop.told.getvalue()


@pytest.mark.parametrize("serving", ["one", None])
def test_a_refusal_is_told_again_while_nothing_is_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, serving: str | None
) -> None:
    shop = Shop(monkeypatch, tmp_path, [serving, serving], weights=None)
    shop.deployed, shop.refused = serving, True
    with pytest.raises(RunFailedError, match=r"refused .*accuracy: worse"):
        shop.train()
    assert "THE TABLE" in shop.told.getvalue()
    if serving:
        assert "one stays in service" in shop.train(force=True)


def test_a_run_that_failed_elsewhere_too_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = RunFailedError(
        "daily_training failed in gate, report", "See the log", frozenset({"gate", "report"})
    )
    shop = Shop(monkeypatch, tmp_path, [broken, "two"], weights="new")
    with pytest.raises(RunFailedError, match="gate, report"):
        shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training"]


def test_a_first_bundle_that_is_refused_gets_another_chance_with_weights_of_this_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = RunFailedError("daily_training failed in gate", "See the log", frozenset({"gate"}))
    shop = Shop(monkeypatch, tmp_path, [refused, "two"], weights="new")
    said = shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training", "weekly_blend", "daily_training"]
    assert "refused the new bundle" in said and "The service uses bundle two" in said
    again = Shop(monkeypatch, tmp_path, [refused], weights="old")
    with pytest.raises(RunFailedError, match="refused"):
        again.train()


def test_a_shop_without_interactions_is_told_to_load_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, [None], weights="new")
    shop.interactions = 0
    with pytest.raises(StartError, match=r"no interactions to train on.*ingest load"):
        shop.train()
    assert [dag for dag, _ in shop.ran] == ["daily_training"]


def test_weights_that_can_not_be_learned_do_not_hide_what_was_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one"], weights="new")
    failure = RunFailedError("weekly_blend failed in learn_blend", "See the log", frozenset({"learn_blend"}))
    finish = train.run_to_end

    def run(platform: Any, api: Any, dag_id: str, **more: Any) -> None:
        if dag_id == "weekly_blend":
            raise failure
        finish(platform, api, dag_id, **more)

    monkeypatch.setattr(train, "run_to_end", run)
    with pytest.raises(RunFailedError, match="learn_blend"):
        shop.train()
    assert "THE TABLE" in shop.told.getvalue()


def test_a_platform_that_is_down_or_a_dag_that_is_paused_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = Shop(monkeypatch, tmp_path, ["one"], weights=None)
    monkeypatch.setattr(FakeAirflow, "up", False)
    with pytest.raises(StartError, match="make up"):
        shop.train()
    monkeypatch.setattr(FakeAirflow, "up", True)
    monkeypatch.setattr(FakeAirflow, "paused", frozenset({"daily_training"}))
    with pytest.raises(
        StartError, match=r"paused in Airflow.*Unpause it at http://airflow/dags/daily_training"
    ):
        shop.train()
    assert shop.ran == []
