import math
from typing import ClassVar

import pytest

from training.params.spaces import Choices, Ladder, Range
from training.tuning.search import Budget, Trial, progress, search

SPACE: dict[str, Choices | Range] = {
    "x": Range(low=0.01, high=100.0, scale="log"),
    "kind": Choices(choices=("bad", "good")),
}
SHIPPED = {"x": 50.0, "kind": "bad", "other": 1}


def objective(values: dict[str, object]) -> float:
    return -abs(math.log(float(str(values["x"])))) - (values["kind"] == "bad")


def run(budget: Budget, seed: int = 3) -> list[Trial]:
    seen: list[Trial] = []
    found = search(objective, SPACE, SHIPPED, budget, startup=5, seed=seed, on_trial=seen.append)
    assert list(found.trials) == seen
    assert found.best.score == max(trial.score for trial in seen)
    return seen


def test_the_shipped_values_come_first_and_the_best_is_better() -> None:
    trials = run(Budget(25, None))
    assert trials[0].values == {"x": 50.0, "kind": "bad"}
    assert [trial.number for trial in trials] == list(range(25))
    assert max(trial.score for trial in trials) > trials[0].score + 2


def test_the_same_seed_gives_the_same_trials() -> None:
    one, other = run(Budget(12, None)), run(Budget(12, None))
    assert [trial.values for trial in one] == [trial.values for trial in other]
    assert [trial.values for trial in one] != [trial.values for trial in run(Budget(12, None), seed=4)]


def test_time_ends_a_search_too() -> None:
    assert len(run(Budget(None, 1e-9))) == 1
    assert len(run(Budget(3, 60.0))) == 3


def test_starts_come_right_after_the_shipped_values() -> None:
    found = search(
        objective,
        SPACE,
        SHIPPED,
        Budget(4, None),
        startup=5,
        seed=3,
        on_trial=lambda _: None,
        starts=[{"x": 2.0, "kind": "good"}, {"x": 3.0, "kind": "bad"}],
    )
    assert [trial.values["x"] for trial in found.trials[:3]] == [50.0, 2.0, 3.0]


def test_shipped_values_outside_of_the_space_are_tried_as_they_are() -> None:
    found = search(
        objective,
        SPACE,
        {"x": 123.456, "kind": "odd"},
        Budget(3, None),
        startup=5,
        seed=3,
        on_trial=lambda _: None,
    )
    assert found.trials[0].values == {"x": 123.456, "kind": "odd"}


def test_a_search_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="give trials, minutes or both"):
        Budget(None, None)


def test_progress_goes_to_the_log_where_there_is_no_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), progress("als", Budget(2, None)) as show:
        show(Trial(0, {"x": 1}, 0.5, 0.1))
        show(Trial(1, {"x": 2}, 0.4, 0.1))
    assert [record.getMessage().split(", 0.1")[0] for record in caplog.records] == [
        "als trial 0: 0.5000 (best 0.5000)",
        "als trial 1: 0.4000 (best 0.5000)",
    ]


class Stopwatch:
    """Time that passes only as a trial takes some."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    made = Stopwatch()
    monkeypatch.setattr("training.tuning.search.time", made)
    return made


class TestALadder:
    SPACE: ClassVar[dict[str, Choices | Range | Ladder]] = {
        "x": Range(low=0.01, high=100.0, scale="log"),
        "size": Ladder(ladder=(8, 16, 32, 64), steepest=1.0),
    }

    def run(
        self, budget: Budget, best: int = 32, cost: float = 0.0, stopwatch: Stopwatch | None = None
    ) -> list[Trial]:
        def objective(values: dict[str, object]) -> float:
            size = int(str(values["size"]))
            if stopwatch is not None:
                stopwatch.now += cost * size
            return min(size, best) / 10 - abs(math.log(float(str(values["x"]))))

        found = search(
            objective,
            self.SPACE,
            {"x": 50.0, "size": 16},
            budget,
            startup=3,
            seed=3,
            on_trial=lambda _: None,
        )
        return list(found.trials)

    def test_is_searched_at_its_foot_and_climbed_by_the_best_while_it_pays(self) -> None:
        trials = self.run(Budget(12, None))
        assert [trial.values["size"] for trial in trials] == [8] * 9 + [16, 32, 64]
        searched = max(trials[:9], key=lambda trial: trial.score)
        assert {trial.values["x"] for trial in trials[9:]} == {searched.values["x"]}

    def test_is_left_where_a_step_gains_nothing_and_the_rest_is_tried_near_the_best(self) -> None:
        trials = self.run(Budget(12, None), best=8)
        assert [trial.values["size"] for trial in trials] == [8] * 9 + [16, 8, 8]
        searched = max(trials[:10], key=lambda trial: trial.score).values["x"]
        assert all(1 / 40 < trial.values["x"] / searched < 40 for trial in trials[10:])  # four spreads

    def test_is_left_early_enough_to_climb_it_all(self, stopwatch: Stopwatch) -> None:
        # 8 ms a trial at the foot; 14 times as long for the climb, and 8 times for what follows.
        trials = self.run(Budget(None, 0.5), best=64, cost=0.001, stopwatch=stopwatch)
        assert trials[-1].values["size"] == 64

    def test_is_not_climbed_past_the_time(self, stopwatch: Stopwatch) -> None:
        begun = stopwatch.now
        trials = self.run(Budget(None, 2.4), best=64, cost=0.008, stopwatch=stopwatch)
        spent = stopwatch.now - begun
        last = max(trials, key=lambda trial: trial.score)
        assert spent + last.seconds <= 2.4
        assert {8, 16} <= {trial.values["size"] for trial in trials}

    def test_what_follows_the_search_is_left_time_for(self, stopwatch: Stopwatch) -> None:
        begun = stopwatch.now

        def objective(values: dict[str, object]) -> float:
            stopwatch.now += 0.05
            return 0.0

        found = search(
            objective,
            {"x": Range(low=0.0, high=1.0, scale="linear")},
            {"x": 0.5},
            Budget(None, 2.0),
            startup=3,
            seed=3,
            on_trial=lambda _: None,
            after=lambda _, growth: 1.2 * growth,
        )
        assert stopwatch.now - begun < 1.0, "the second of two that what follows takes for its share is left"
        assert len(found.trials) > 1

    def test_ascends(self) -> None:
        with pytest.raises(ValueError, match="must increase"):
            Ladder(ladder=(64, 32), steepest=1.0)
