"""MLflow, and the only import of it: runs, registered versions, aliases.

One parent run for each (snapshot, params), found again by its tags, so a task that is
cleared and rerun writes into the same run. Below it one child run for each model. A model
version is registered from a folder of arrays through a loader module: nothing is pickled.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "shortlist"
BUNDLE = "shortlist-bundle"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ALIASES = (CHALLENGER, CHAMPION, PREVIOUS)
LOADER = "training.pyfunc"
REQUIREMENTS = ("numpy", "scipy", "pydantic")

_EXPERIMENT_TAGS = {
    # MLflow's UI opens an experiment of this kind on its table of training runs, metrics first.
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "One parent run a snapshot, one child run a model. The figures are those of "
    "models fitted before the test period; tick several runs and press Compare.",
}

_BATCH = 900
"""MLflow takes at most 1,000 metrics, and 100 params, in one call."""


@dataclass(frozen=True)
class Version:
    """A registered version and the run that made it."""

    name: str
    version: str
    run_id: str


@dataclass(frozen=True)
class Lineage:
    """What a run was made from; its tags, and the key by which a rerun finds it."""

    snapshot: str
    """MD5 that DVC gives the snapshot."""
    params: str
    """Hash of the params that were used."""
    git_commit: str

    def tags(self, kind: str) -> dict[str, str]:
        """Tags of the run of `kind` (a model's name, or "bundle")."""
        return {
            "shortlist.kind": kind,
            "shortlist.snapshot": self.snapshot,
            "shortlist.params": self.params,
            "shortlist.git_commit": self.git_commit,
        }


class Tracker:
    """A connection to one MLflow server."""

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        import mlflow

        mlflow.set_tracking_uri(settings.tracking_uri)
        self._mlflow = mlflow
        self.client: MlflowClient = mlflow.MlflowClient()

    def bundle_run(self, lineage: Lineage) -> str:
        """Run id of the parent run of this snapshot and these params, made when missing."""
        return self._run(lineage, "bundle", f"bundle {lineage.snapshot[:8]}", parent=None)

    def model_run(self, lineage: Lineage, name: str) -> str:
        """Run id of the run of the model `name` below the parent."""
        return self._run(lineage, name, name, parent=self.bundle_run(lineage))

    def open_search(self, lineage: Lineage, name: str) -> str:
        """Run id of a new run for a search of a model's hyperparameters; its trials go below it."""
        made = self.client.create_run(
            self._experiment(), tags=lineage.tags(f"search.{name}"), run_name=f"search {name}"
        )
        return str(made.info.run_id)

    def record_trial(
        self,
        search: str,
        lineage: Lineage,
        *,
        number: int,
        values: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> None:
        """Log one trial of a search as a finished run below it, and its metrics as a step of the search."""
        from mlflow.entities import Metric

        tags = lineage.tags("trial") | {"mlflow.parentRunId": search}
        made = self.client.create_run(self._experiment(), tags=tags, run_name=f"trial {number}")
        self.log(str(made.info.run_id), values, metrics)
        self.finish(str(made.info.run_id))
        self.client.log_batch(
            search, metrics=[Metric(key, float(value), 0, number) for key, value in metrics.items()]
        )

    def log(self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Log params and metrics in as few calls as MLflow allows; a rerun overwrites the metrics."""
        from mlflow.entities import Metric, Param

        known = self.client.get_run(run_id).data.params
        new = [Param(key, str(value)) for key, value in flatten(params).items() if key not in known]
        entries = [Metric(key, float(value), 0, 0) for key, value in metrics.items()]
        for start in range(0, len(new), 100):
            self.client.log_batch(run_id, params=new[start : start + 100])
        for start in range(0, len(entries), _BATCH):
            self.client.log_batch(run_id, metrics=entries[start : start + _BATCH])

    def log_curve(self, run_id: str, curve: Sequence[Mapping[str, float]]) -> None:
        """Log a training curve: what was measured after each iteration, as steps of metrics."""
        from mlflow.entities import Metric

        entries = [
            Metric(f"training.{key}", float(value), 0, int(point["iteration"]))
            for point in curve
            for key, value in point.items()
            if key != "iteration"
        ]
        for start in range(0, len(entries), _BATCH):
            self.client.log_batch(run_id, metrics=entries[start : start + _BATCH])

    def log_files(self, run_id: str, files: Path, folder: str) -> None:
        """Upload a folder, or one file, as artefacts under `folder`."""
        if files.is_dir():
            self.client.log_artifacts(run_id, str(files), folder)
        else:
            self.client.log_artifact(run_id, str(files), folder)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def finish(self, run_id: str, succeeded: bool = True) -> None:
        """Mark a run as ended."""
        self.client.set_terminated(run_id, "FINISHED" if succeeded else "FAILED")

    def register_model(self, run_id: str, name: str, files: Path, content: str, card: str) -> Version:
        """Register `files` (a folder of arrays) as a version of `shortlist-<name>`.

        The same content registered from the same run gives the version that exists.
        """
        registered = f"shortlist-{name}"
        known = self._version_of(registered, run_id, content)
        if known is None:
            with self._mlflow.start_run(run_id=run_id, log_system_metrics=False):
                info = self._mlflow.pyfunc.log_model(
                    name=name,
                    loader_module=LOADER,
                    data_path=str(files),
                    pip_requirements=list(REQUIREMENTS),
                    registered_model_name=registered,
                )
            known = str(info.registered_model_version)
            self.client.set_model_version_tag(registered, known, "shortlist.content", content)
        self.client.update_model_version(registered, known, description=card)
        return Version(registered, known, run_id)

    def register_bundle(self, run_id: str, bundle_id: str, files: Path) -> Version:
        """Register an assembled bundle as a version of `shortlist-bundle`; the same bundle only once."""
        known = self._version_of(BUNDLE, run_id, bundle_id)
        if known is None:
            self.log_files(run_id, files, "bundle")
            self._ensure_registered(BUNDLE)
            made = self.client.create_model_version(
                BUNDLE,
                source=f"runs:/{run_id}/bundle",
                run_id=run_id,
                tags={"shortlist.content": bundle_id, "shortlist.bundle": bundle_id},
            )
            known = str(made.version)
        return Version(BUNDLE, known, run_id)

    def find_bundle(self, bundle_id: str) -> Version | None:
        """The registered version of a bundle, or None."""
        found = self.client.search_model_versions(
            f"name = '{BUNDLE}' and tag.`shortlist.bundle` = '{bundle_id}'"
        )
        return Version(BUNDLE, str(found[0].version), str(found[0].run_id)) if found else None

    def aliases(self, name: str) -> dict[str, str]:
        """alias → version of a registered model; empty when it has none."""
        from mlflow.exceptions import MlflowException

        try:
            model = self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: str(version) for alias, version in model.aliases.items()}

    def set_aliases(self, name: str, wanted: Mapping[str, str | None]) -> list[str]:
        """Point aliases of `name` at versions (None removes one); returns those that had to move."""
        now = self.aliases(name)
        moved = []
        for alias, version in wanted.items():
            if version is None and alias in now:
                self.client.delete_registered_model_alias(name, alias)
                moved.append(alias)
            elif version is not None and now.get(alias) != version:
                self.client.set_registered_model_alias(name, alias, version)
                moved.append(alias)
        return moved

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(EXPERIMENT, tags=_EXPERIMENT_TAGS))
        except MlflowException:
            found = self.client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
            return str(found.experiment_id)

    def _run(self, lineage: Lineage, kind: str, title: str, parent: str | None) -> str:
        tags = lineage.tags(kind)
        experiment = self._experiment()
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.client.search_runs(
            [experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        if found:
            return str(found[0].info.run_id)
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        return str(self.client.create_run(experiment, tags=tags, run_name=title).info.run_id)

    def _version_of(self, registered: str, run_id: str, content: str) -> str | None:
        found = self.client.search_model_versions(f"name = '{registered}' and run_id = '{run_id}'")
        same = [version for version in found if version.tags.get("shortlist.content") == content]
        return str(same[0].version) if same else None

    def _ensure_registered(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@contextmanager
def text_artifact(name: str, text: str) -> Iterator[Path]:
    """A file with `text`, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        yield path


def load_versions(folder: Path) -> dict[str, Version]:
    """Versions that were written by `save_version`, by model."""
    return {path.stem: Version(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))}


def save_version(folder: Path, model: str, version: Version) -> None:
    """Remember which run and version a model of the workspace got."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"name": version.name, "version": version.version, "run_id": version.run_id}
    (folder / f"{model}.json").write_text(json.dumps(content) + "\n")
