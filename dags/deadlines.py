"""By when a run should be over: Airflow tells of one that is not, while it can still be helped."""

from airflow.sdk.definitions.callback import AsyncCallback  # the stubs of airflow.sdk leave them out
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from dags.defaults import late_after, tell_late_run


def training_deadline() -> DeadlineAlert:
    """The deadline of a nightly training."""
    return _deadline("training_deadline_hours")


def hourly_deadline() -> DeadlineAlert:
    """The deadline of an hourly run."""
    return _deadline("hourly_deadline_minutes")


def _deadline(key: str) -> DeadlineAlert:
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=late_after(key),
        callback=AsyncCallback(tell_late_run),
        name="late",
    )
