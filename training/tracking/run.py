"""One run of MLflow, to write to: params, metrics, files, tags, its description."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE = "mlflow.note.content"
"""Tag that MLflow's UI shows as the description, in Markdown."""
FAILURE = "Failure"
"""Heading under which a failed run's description gives the reason."""
COLOR = "mlflow.runColor"
"""Tag by which MLflow's UI colours a run in its charts."""

_PARAMS_AT_ONCE, _METRICS_AT_ONCE = 100, 900
"""MLflow takes at most 100 params, and 1,000 metrics, in one call."""


class TrackedRun:
    """A run that exists; `tracker.Tracker` finds or makes it."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self.id = run_id
        self._client = client

    def log(
        self,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        step: int = 0,
        model_id: str | None = None,
    ) -> None:
        """Log params (nested ones as dotted keys) and metrics in as few calls as MLflow allows.

        A rerun's metrics take the place of the earlier ones: of one step MLflow shows the newest. A param
        that the run has already stays as it is. With `model_id` the metrics are that logged model's, too.
        """
        from mlflow.entities import Param

        known = self._client.get_run(self.id).data.params
        new = [Param(key, str(value)) for key, value in flatten(params).items() if key not in known]
        for start in range(0, len(new), _PARAMS_AT_ONCE):
            self._client.log_batch(self.id, params=new[start : start + _PARAMS_AT_ONCE])
        now = time.time_ns() // 1_000_000
        self._log_metrics([(key, value, now, step) for key, value in metrics.items()], model_id)

    def log_curve(self, curve: Sequence[Mapping[str, float]]) -> None:
        """Log a training curve: what was measured after each `iteration`, as steps of metrics.

        All of it carries time 0, so that the same curve logged again adds nothing.
        """
        entries = [
            (f"training/{key}", value, 0, int(point["iteration"]))
            for point in curve
            for key, value in point.items()
            if key != "iteration"
        ]
        self._log_metrics(entries)

    def _log_metrics(
        self, entries: Sequence[tuple[str, float, int, int]], model_id: str | None = None
    ) -> None:
        """Log (key, value, milliseconds since 1970, step)."""
        from mlflow.entities import Metric

        made = [Metric(key, float(value), when, step, model_id) for key, value, when, step in entries]
        for start in range(0, len(made), _METRICS_AT_ONCE):
            self._client.log_batch(self.id, metrics=made[start : start + _METRICS_AT_ONCE])

    def log_files(self, files: Path, folder: str) -> None:
        """Upload a folder, or one file, as artefacts under `folder`."""
        if files.is_dir():
            self._client.log_artifacts(self.id, str(files), folder)
        else:
            self._client.log_artifact(self.id, str(files), folder)

    def log_text(self, text: str, place: str) -> None:
        """Write an artefact, such as "gate/decision.md"."""
        self._client.log_text(self.id, text, place)

    def log_snapshot(self, md5: str, rows: Mapping[str, int]) -> None:
        """Name the snapshot as the run's dataset, by its DVC hash and its rows by table, once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name="snapshot",
            digest=md5,
            source_type="dvc",
            source=json.dumps({"path": "data/snapshot", "md5": md5}),
            profile=json.dumps({"num_rows": sum(rows.values()), "rows": dict(rows)}),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self.id, datasets=[DatasetInput(dataset, tags)])

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        for key, value in tags.items():
            self._client.set_tag(self.id, key, value)

    def describe(self, heading: str, text: str) -> None:
        """Write one section of the description, in Markdown; the others stay."""
        note = self._client.get_run(self.id).data.tags.get(NOTE, "")
        self._client.set_tag(self.id, NOTE, with_section(note, heading, text))

    def rename(self, name: str) -> None:
        """Give it another name in MLflow's lists."""
        self._client.update_run(self.id, name=name)

    def finish(self) -> None:
        """End it as FINISHED; an earlier failure is no longer told."""
        note = self._client.get_run(self.id).data.tags.get(NOTE, "")
        if FAILURE in _sections(note):
            self._client.set_tag(self.id, NOTE, with_section(note, FAILURE, None))
        self._client.set_terminated(self.id, "FINISHED")

    def fail(self, reason: str) -> None:
        """End it as FAILED, the reason in its description."""
        self.describe(FAILURE, reason)
        self._client.set_terminated(self.id, "FAILED")


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def with_section(note: str, heading: str, text: str | None) -> str:
    """Markdown with the section under `## heading` replaced, added at the end, or (None) left out."""
    sections = _sections(note)
    if text is None:
        sections.pop(heading, None)
    else:
        sections[heading] = text.strip()
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in sections.items()) + "\n"


def _sections(note: str) -> dict[str, str]:
    parts = [part.partition("\n") for part in f"\n{note}".split("\n## ")[1:]]
    return {title: body.strip() for title, _, body in parts}
