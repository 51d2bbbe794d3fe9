"""dvc.yaml: what the registry and the stages' imports make of it."""

import gc
import sys
from pathlib import Path
from types import FrameType

import pytest
import yaml

from database.settings import REPOSITORY
from training.data.workspace import Workspace
from training.models.registry import names
from training.params import load_params
from training.pipeline.dvc_file import dvc_file
from training.pipeline.stages import run_stage, stage_names


def test_the_file_is_up_to_date() -> None:
    written = (REPOSITORY / "dvc.yaml").read_text()
    assert written == dvc_file(), "run `python -m training.pipeline.dvc_file`"


def test_its_stages_are_those_that_can_be_run() -> None:
    stages = yaml.safe_load(dvc_file())["stages"]
    learned = stages.pop("learn")["foreach"]
    assert tuple(learned) == names(scope="bundle")
    assert {*stages, *learned} == set(stage_names())


def dependencies() -> dict[str, list[str]]:
    """Stage → its dependencies, with those of each model."""
    stages = yaml.safe_load(dvc_file())["stages"]
    learn = stages.pop("learn")
    deps = {name: stage["deps"] for name, stage in stages.items()}
    return deps | {
        name: [each.replace("${item}", name) for each in learn["do"]["deps"]] for name in learn["foreach"]
    }


def test_every_file_that_a_stage_depends_on_is_there_and_none_is_named_twice() -> None:
    deps = dependencies()
    for stage, files in deps.items():
        assert len(files) == len(set(files)), stage
        for file in files:
            assert file.startswith("data/") or (REPOSITORY / file).exists(), f"{stage}: {file}"
    # What a model is made by, whatever imports it in between.
    assert {"training/models/als.py", "training/models/core/least_squares.py"} <= set(deps["als"])
    assert "training/models/nmf.py" not in deps["als"]
    assert "training/evaluation/plots.py" in deps["evaluate"]
    assert "training/evaluation/plots.py" not in deps["als"]


def test_every_stage_depends_on_its_own_code_and_on_the_lock_of_packages() -> None:
    for stage, files in dependencies().items():
        module = "train" if stage in names(scope="bundle") else stage
        assert {f"training/pipeline/stages/{module}.py", "requirements.txt"} <= set(files), stage


def test_preparation_depends_on_the_text_that_is_embedded_and_on_its_encoder() -> None:
    assert {"database/items.py", "training/models/core/encoder.py"} <= set(dependencies()["prepare"])


NO_CODE_OF_A_STAGE = (
    "training/params/__init__.py",
    "database/settings.py",
    "training/pipeline/stages/__init__.py",
    "training/models/registry.py",
)
"""What reads params.yaml, whose sections the stages name, or the environment; what finds a stage's module."""


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
@pytest.mark.parametrize("stage", ["validate", "prepare", "embeddings", "evaluate", "bundle"])
def test_every_file_whose_code_runs_in_a_stage_is_among_its_dependencies(
    stage: str, assembled: None, checkout: Workspace
) -> None:
    run: set[str] = set()

    def called(frame: FrameType, event: str, _: object) -> None:
        run.add(frame.f_code.co_filename)

    params = load_params(checkout.params_file)
    gc.collect()  # what other tests left behind is finalised before, not during the stage
    sys.setprofile(called)
    try:
        run_stage(stage, checkout, params)
    finally:
        sys.setprofile(None)
    folders = ("training", "database", "data_checks")
    own = {
        str(Path(file).relative_to(REPOSITORY))
        for file in run
        if any(Path(file).is_relative_to(REPOSITORY / folder) for folder in folders)
    }
    assert own
    assert own - {*NO_CODE_OF_A_STAGE} <= set(dependencies()[stage])
