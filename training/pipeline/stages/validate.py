"""Check the snapshot against the expectations of data_checks/suites."""

from data_checks.validate import validate
from training.data.workspace import Workspace


def validate_snapshot(workspace: Workspace) -> None:
    """Write `data/validation`.

    Raises:
        DataCheckError: an expectation failed; the report is written all the same.
    """
    validate(workspace.snapshot, workspace.validation)
