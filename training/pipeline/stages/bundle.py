"""Put the models and what the next comparison needs into one directory."""

from training.data.workspace import Workspace, replaced
from training.models.registry import names
from training.params import Params
from training.release.bundle import assemble


def assemble_bundle(workspace: Workspace, params: Params) -> None:
    """Write `data/bundle`."""
    with replaced(workspace.bundle) as folder:
        assemble(workspace, names(scope="bundle"), params, folder)
