"""The stages of dvc.yaml, one a module: each reads and writes files of the workspace, and nothing else.

`python -m training.pipeline.stages NAME` runs one, as `dvc repro` does. A DAG task runs the same function.
A stage's module is imported when the stage runs: what it imports is what dvc.yaml says of the stage.
"""

import logging
import time

from training.data.workspace import Workspace
from training.models.registry import names
from training.params import Params, load_params

logger = logging.getLogger(__name__)


def run_stage(name: str, workspace: Workspace, params: Params | None = None) -> None:
    """Run one stage in the workspace.

    Args:
        name: the stage.
        workspace: where it reads and writes.
        params: those of the run; None: of params.yaml as it is now, which `dvc repro` goes by.

    Raises KeyError when there is no such stage.
    """
    params = params or load_params(workspace.params_file)
    started = time.monotonic()
    if name in names(scope="bundle"):
        from training.pipeline.stages.train import train

        train(name, workspace, params)
    elif name == "validate":
        from training.pipeline.stages.validate import validate_snapshot

        validate_snapshot(workspace, params)
    elif name == "prepare":
        from training.pipeline.stages.prepare import prepare_snapshot

        prepare_snapshot(workspace, params)
    elif name == "evaluate":
        from training.pipeline.stages.evaluate import evaluate_all

        evaluate_all(workspace, params)
    elif name == "bundle":
        from training.pipeline.stages.bundle import assemble_bundle

        assemble_bundle(workspace, params)
    else:
        raise KeyError(name)
    logger.info("Stage %s took %.1f s.", name, time.monotonic() - started)


def stage_names() -> list[str]:
    """Every stage, in an order that works."""
    return ["validate", "prepare", *names(scope="bundle"), "evaluate", "bundle"]
