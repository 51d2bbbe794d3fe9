"""Turn the snapshot into the arrays that all models read."""

from training.data.preparation import prepare
from training.data.workspace import Workspace, replaced
from training.params import Params


def prepare_snapshot(workspace: Workspace, params: Params) -> None:
    """Write `data/prepared`."""
    with replaced(workspace.prepared) as folder:
        prepare(workspace.snapshot, params.interactions, params.embeddings.model).save(folder)
