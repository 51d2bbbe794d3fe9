import math

import pytest

from training.search import Budget, Choices, Range, Trial, progress, search

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


def test_a_search_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(None, None)


def test_progress_goes_to_the_log_where_there_is_no_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), progress("als", Budget(2, None)) as show:
        show(Trial(0, {"x": 1}, 0.5, 0.1))
        show(Trial(1, {"x": 2}, 0.4, 0.1))
    assert [record.getMessage().split(", 0.1")[0] for record in caplog.records] == [
        "als trial 0: 0.5000 (best 0.5000)",
        "als trial 1: 0.4000 (best 0.5000)",
    ]
