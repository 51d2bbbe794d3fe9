"""Check the snapshot against the expectations of data_checks/suites."""

from data_checks.validate import LeftOutLimits, validate
from training.data.workspace import Workspace
from training.params import Params


def validate_snapshot(workspace: Workspace, params: Params) -> None:
    """Write `data/validation`.

    Raises:
        DataCheckError: an expectation failed; the report is written all the same.
    """
    limits = params.data_checks
    validate(
        workspace.snapshot,
        workspace.validation,
        LeftOutLimits(limits.max_unknown_share, limits.max_deleted_share, limits.min_rows),
    )
