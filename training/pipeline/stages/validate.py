"""Check the snapshot against the expectations of data_checks/suites."""

from data_checks.frames import Limits
from data_checks.validate import validate
from training.data.workspace import Workspace
from training.params import Params


def validate_snapshot(workspace: Workspace, params: Params) -> None:
    """Write `data/validation`.

    Raises DataCheckError when an expectation failed; the report is written all the same.
    """
    limits = params.data_checks
    validate(
        workspace.snapshot,
        workspace.validation,
        Limits(
            unknown=limits.max_unknown_share,
            deleted=limits.max_deleted_share,
            min_rows=limits.min_rows,
            odd_vectors=limits.max_odd_vectors,
            day_share=limits.min_day_share,
            silent_days=limits.max_silent_days,
        ),
    )
