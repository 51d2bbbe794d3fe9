"""The commands: start, list, read and stop an experiment, on a real database."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import get_experiment
from database.settings import REPOSITORY
from experiments.commands import main, parse_arm
from tests.experiments.test_off_policy import TRUTH, write_log
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml")
HALVES = ("--arm", "now=0.5", "--arm", "more=0.5,blend.cf=0.8,epsilon=0.1")

Run = Callable[..., Result]


@pytest.fixture
def run(connection: Connection) -> Run:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, words)

    return invoke


def test_an_experiment_from_start_to_stop(run: Run) -> None:
    started = run("start", "more-cf", *HALVES)
    assert (started.exit_code, started.output) == (0, "Started more-cf with arms now, more.\n")
    assert "more-cf  ab  since" in run("list").output and "running" in run("list").output
    read = run("read", "more-cf").output.splitlines()
    assert read[0].startswith("now: 0.0000 [0.0000, 1.0000], 0 clicks on 0 items seen by 0 users")
    assert "undecided" in read[1]
    assert json.loads(run("read", "more-cf", "--json").output)["off_policy"] is None
    assert run("stop", "more-cf", "--reason", "seen enough").output == "Stopped more-cf: seen enough.\n"
    assert "stopped: seen enough" in run("list").output
    assert run("read", "more-cf").exit_code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("start", "e", "--arm", "now=0.5"), "two arms"),
        (("start", "Not An Id", *HALVES), "invalid experiment id"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=half"), "could not convert"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=0.5,colour=red"), "use bundle, epsilon or blend.KEY"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=0.5,blend.no=1"), "Extra inputs"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=0.5,blend.weights=mine"), "original"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=0.5,blend.tuned.alz=1"), "unknown model alz"),
        (("start", "e", "--arm", "a=0.5", "--arm", "b=0.5,bundle=never-seen"), "has passed the gate"),
        (("read", "none"), "no experiment"),
        (("stop", "none", "--reason", "x"), "no experiment"),
    ],
)
def test_what_can_not_be_done_is_said(run: Run, words: tuple[str, ...], why: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 1 and why in refused.output and "Traceback" not in refused.output


def test_only_one_of_a_kind_runs(run: Run) -> None:
    run("start", "one", *HALVES)
    assert "is running" in run("start", "two", *HALVES).output


def test_an_arm_may_switch_the_blend_and_give_its_weights(run: Run, connection: Connection) -> None:
    arms = ("--arm", "tuned=0.5,blend.weights=tuned,blend.tuned.als=2,blend.tuned.tfidf=0.5")
    run("start", "weights", *arms, "--arm", "alike=0.5,blend.weights=original")
    tuned, alike = get_experiment(connection, "weights").arms
    assert tuned.blend == {"weights": "tuned", "tuned": {"als": 2.0, "tfidf": 0.5}}
    assert alike.blend == {"weights": "original"}
    assert tuned.blend is not None
    assert PARAMS.blend.changed(tuned.blend).tuned == {"als": 2.0, "tfidf": 0.5}
    assert parse_arm("a=1", PARAMS.blend).blend is None


def test_reading_a_shadow_test_says_what_it_would_earn(
    run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reading is linear in the 3,000 users. When it joined each with every other, it took over a minute.
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=20s")
    run("start", "unseen", "--kind", "shadow", "--arm", "now=1,epsilon=0.5", "--arm", "best=1")
    write_log(connection, "unseen")
    found = json.loads(run("read", "unseen", "--json").output)["off_policy"]
    assert found["low"] < TRUTH < found["high"]
    assert "click rate of the shadow: 0." in run("read", "unseen").output
