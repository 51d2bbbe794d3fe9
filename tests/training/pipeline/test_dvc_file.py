"""dvc.yaml: what the registry and the stages' imports make of it."""

import yaml

from database.settings import REPOSITORY
from training.models.registry import names
from training.pipeline.dvc_file import dvc_file
from training.pipeline.stages import stage_names


def test_the_file_is_up_to_date() -> None:
    written = (REPOSITORY / "dvc.yaml").read_text()
    assert written == dvc_file(), "run `python -m training.pipeline.dvc_file`"


def test_its_stages_are_those_that_can_be_run() -> None:
    stages = yaml.safe_load(dvc_file())["stages"]
    learned = stages.pop("learn")["foreach"]
    assert tuple(learned) == names(scope="bundle")
    assert {*stages, *learned} == set(stage_names())


def test_every_file_that_a_stage_depends_on_is_there_and_none_is_named_twice() -> None:
    stages = yaml.safe_load(dvc_file())["stages"]
    learn = stages.pop("learn")
    deps = {name: stage["deps"] for name, stage in stages.items()}
    deps |= {
        name: [each.replace("${item}", name) for each in learn["do"]["deps"]] for name in learn["foreach"]
    }
    for stage, files in deps.items():
        assert len(files) == len(set(files)), stage
        for file in files:
            assert file.startswith("data/") or (REPOSITORY / file).exists(), f"{stage}: {file}"
    # What a model is made by, whatever imports it in between.
    assert {"training/models/als.py", "training/models/core/least_squares.py"} <= set(deps["als"])
    assert "training/models/nmf.py" not in deps["als"]
    assert "database/items.py" in deps["prepare"]
    assert "training/evaluation/plots.py" in deps["evaluate"]
    assert "training/evaluation/plots.py" not in deps["als"]
