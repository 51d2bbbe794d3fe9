"""The params of a run: those of its start, whatever is written into params.yaml while it runs.

The step `snapshot` puts them beside the snapshot; every later step, the manifest and the run in MLflow use
them.
"""

import logging

from training.data.workspace import Workspace
from training.params import Params, ParamsError, load_params

logger = logging.getLogger(__name__)


def freeze(workspace: Workspace, params: Params) -> None:
    """Keep the file of params.yaml as the one that the workspace's snapshot is learned with.

    Args:
        workspace: where.
        params: what was read from the file when the step began.

    Raises ParamsError when the file is not valid any more, or says something else: the step should be run
    again.
    """
    draft = workspace.frozen_params.with_name(".params.yaml.draft")
    draft.write_text(workspace.params_file.read_text())
    if load_params(draft) != params:
        reason = "it was changed while the snapshot was taken; run the step again"
        raise ParamsError(workspace.params_file, reason)
    draft.replace(workspace.frozen_params)


def read_frozen(workspace: Workspace) -> Params:
    """The params that the workspace's snapshot is learned with; of params.yaml if none were kept (0.1.0).

    Raises ParamsError when the file is not valid.
    """
    if not workspace.frozen_params.exists():
        return load_params(workspace.params_file)
    return load_params(workspace.frozen_params, rename=True)


def changed_since(workspace: Workspace, params: Params) -> bool:
    """Whether params.yaml says something else by now, or can't be read."""
    try:
        return load_params(workspace.params_file) != params
    except ParamsError as error:
        logger.warning("%s", error)
        return True
