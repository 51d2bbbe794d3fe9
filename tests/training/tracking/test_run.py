"""What is written to a run, and written again."""

import pytest

from database.settings import Settings
from training.tracking.lineage import Lineage
from training.tracking.run import flatten, with_section
from training.tracking.tracker import Tracker

# MLflow warns of what its dependencies will take away.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


def test_a_rerun_takes_the_place_of_what_was_logged(tracking_uri: str) -> None:
    tracker = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="reruns"))
    run = tracker.bundle_run(Lineage("md5", "params", "commit"))
    run.log({"als": {"factors": 8}}, {"seconds": 2.0})
    run.log({"als": {"factors": 8}}, {"seconds": 1.0})
    data = tracker.client.get_run(run.id).data
    assert (data.metrics, data.params) == ({"seconds": 1.0}, {"als.factors": "8"})


def test_nested_params_have_dotted_keys() -> None:
    assert flatten({"seed": 1, "als": {"factors": 8, "more": {"l2": 0.1}}}) == {
        "seed": 1,
        "als.factors": 8,
        "als.more.l2": 0.1,
    }


def test_a_section_is_replaced_and_the_others_stay() -> None:
    note = with_section(with_section("", "Models", "a\n\nb"), "Gate", "no")
    assert with_section(note, "Models", "c") == "## Models\n\nc\n\n## Gate\n\nno\n"
