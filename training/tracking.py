"""MLflow, and the only import of it: runs, registered versions, aliases.

One parent run for each (snapshot, params), found again by its tags, so a task that is
cleared and rerun writes into the same run. Below it one child run for each model, the baselines and
the blend among them. Searches of hyperparameters have an experiment of their own. A model version is
registered from a folder of arrays through a loader module: nothing is pickled.
"""

import json
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from database.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE = "bundle"
"""The registered model whose versions are whole bundles."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
LOADER = "training.pyfunc"
REQUIREMENTS = ("numpy", "scipy", "pydantic")

NOTE = "mlflow.note.content"
"""Tag that MLflow's UI shows as the description, in Markdown."""
PARENT = "mlflow.parentRunId"
COLOR = "mlflow.runColor"
"""Tag by which MLflow's UI colours a run in its charts."""
KIND = "shortlist.kind"

_ABOUT_RUNS = (
    "One parent run a snapshot; below it one run a model, the baselines and the blend among them. The "
    "figures are those of models fitted before the test period, `_low` and `_high` their 95 % intervals. "
    "Open a parent run for its table and for the link that compares all of it."
)
_ABOUT_SEARCHES = "One parent run a search of hyperparameters; below it one run a trial, trial 0 as shipped."

_LONGEST_CARD = 5000
_MANY = 1000
"""Bundles that are looked through at once."""
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
            KIND: kind,
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
        self.experiment = settings.mlflow_experiment

    def registered(self, name: str) -> str:
        """What the model `name`, or BUNDLE, is called in the registry."""
        return f"{self.experiment}-{name}"

    def bundle_run(self, lineage: Lineage) -> str:
        """Run id of the parent run of this snapshot and these params, made when missing."""
        return self._run(lineage, "bundle", f"bundle {lineage.snapshot[:8]}", parent=None)

    def model_run(self, lineage: Lineage, name: str, weights: str | None = None) -> str:
        """Run id of the run of the model `name` below the parent; a blend has one for each set of weights."""
        more = {"shortlist.weights": weights} if weights is not None else {}
        return self._run(lineage, name, name, parent=self.bundle_run(lineage), more=more)

    def children(self, run_id: str) -> dict[str, str]:
        """Kind → id of the newest run of that kind below a run."""
        experiment = self.client.get_run(run_id).info.experiment_id
        found = self.client.search_runs(
            [experiment], f"tags.`{PARENT}` = '{run_id}'", order_by=["attributes.start_time ASC"]
        )
        return {run.data.tags[KIND]: str(run.info.run_id) for run in found}

    def comparison(self, runs: Sequence[str]) -> str:
        """Address, within MLflow's UI, of the page that compares runs of one experiment."""
        experiment = self.client.get_run(runs[0]).info.experiment_id
        chosen, of = json.dumps(list(runs), separators=(",", ":")), json.dumps([experiment])
        return f"#/compare-runs?runs={quote(chosen)}&experiments={quote(of)}"

    def charts(self, run_id: str, metric: str) -> str:
        """Address, within MLflow's UI, of the charts of all runs below a run, the best by `metric` first."""
        experiment = self.client.get_run(run_id).info.experiment_id
        chosen = quote(f"tags.`{PARENT}` = '{run_id}'")
        order = f"orderByKey={quote(f'metrics.`{metric}`')}&orderByAsc=false"
        return f"#/experiments/{experiment}/runs?searchFilter={chosen}&{order}&compareRunsMode=CHART"

    def open_search(self, lineage: Lineage, name: str) -> str:
        """Run id of a new run for a search of a model's hyperparameters; its trials go below it."""
        made = self.client.create_run(
            self._searches(), tags=lineage.tags(f"search.{name}"), run_name=f"search {name}"
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
    ) -> str:
        """Log one trial of a search as a finished run below it, and its metrics as a step of the search.

        Returns the trial's run id.
        """
        tags = lineage.tags("trial") | {PARENT: search}
        made = self.client.create_run(self._searches(), tags=tags, run_name=f"trial {number}")
        run = str(made.info.run_id)
        self.log(run, values, metrics)
        self.finish(run)
        self.log(search, {}, metrics, step=number)
        return run

    def log(
        self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float], step: int = 0
    ) -> None:
        """Log params and metrics in as few calls as MLflow allows.

        A rerun's metrics take the place of the earlier ones: of one step MLflow shows the newest.
        """
        from mlflow.entities import Param

        known = self.client.get_run(run_id).data.params
        new = [Param(key, str(value)) for key, value in flatten(params).items() if key not in known]
        for start in range(0, len(new), 100):
            self.client.log_batch(run_id, params=new[start : start + 100])
        now = time.time_ns() // 1_000_000
        self._log_metrics(run_id, [(key, value, now, step) for key, value in metrics.items()])

    def log_curve(self, run_id: str, curve: Sequence[Mapping[str, float]]) -> None:
        """Log a training curve: what was measured after each iteration, as steps of metrics.

        All of it carries time 0, so that the same curve logged again adds nothing.
        """
        entries = [
            (f"training/{key}", value, 0, int(point["iteration"]))
            for point in curve
            for key, value in point.items()
            if key != "iteration"
        ]
        self._log_metrics(run_id, entries)

    def _log_metrics(self, run_id: str, entries: Sequence[tuple[str, float, int, int]]) -> None:
        """Log (key, value, milliseconds since 1970, step)."""
        from mlflow.entities import Metric

        made = [Metric(key, float(value), when, step) for key, value, when, step in entries]
        for start in range(0, len(made), _BATCH):
            self.client.log_batch(run_id, metrics=made[start : start + _BATCH])

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

    def describe(self, run_id: str, heading: str, text: str) -> None:
        """Write one section of a run's description, in Markdown; the others stay."""
        note = self.client.get_run(run_id).data.tags.get(NOTE, "")
        self.client.set_tag(run_id, NOTE, with_section(note, heading, text))

    def finish(self, run_id: str, succeeded: bool = True) -> None:
        """Mark a run as ended."""
        self.client.set_terminated(run_id, "FINISHED" if succeeded else "FAILED")

    def register_model(self, run_id: str, name: str, files: Path, content: str, example: str) -> Version:
        """Register `files` (a folder of arrays) as a version of the model `name`.

        `example` is an item's id, for MLflow to try and to show how the model is asked.

        The same content registered from the same run gives the version that exists.
        """
        registered = self.registered(name)
        known = self._version_of(registered, run_id, content)
        if known is None:
            with self._mlflow.start_run(run_id=run_id, log_system_metrics=False):
                info = self._mlflow.pyfunc.log_model(
                    name=name,
                    loader_module=LOADER,
                    data_path=str(files),
                    pip_requirements=list(REQUIREMENTS),
                    registered_model_name=registered,
                    signature=self._signature(),
                    input_example=([[example]], {"k": 3}),
                )
            known = str(info.registered_model_version)
            self.client.set_model_version_tag(registered, known, "shortlist.content", content)
        return Version(registered, known, run_id)

    def describe_version(self, version: Version, card: str) -> None:
        """Set the description of a registered version, in Markdown, as far as MLflow's column holds it."""
        self.client.update_model_version(version.name, version.version, description=card[:_LONGEST_CARD])

    def _signature(self) -> Any:
        """A loaded model takes the length of its lists as a param; what it is asked with has no columns."""
        from mlflow.models import ModelSignature
        from mlflow.types import ParamSchema, ParamSpec

        return ModelSignature(params=ParamSchema([ParamSpec("k", "long", 10)]))

    def register_bundle(self, run_id: str, bundle_id: str, files: Path) -> Version:
        """Register an assembled bundle as a version of BUNDLE; the same bundle only once."""
        registered = self.registered(BUNDLE)
        known = self._version_of(registered, run_id, bundle_id)
        if known is None:
            self.log_files(run_id, files, "bundle")
            self._ensure_registered(registered)
            made = self.client.create_model_version(
                registered,
                source=f"runs:/{run_id}/bundle",
                run_id=run_id,
                tags={"shortlist.content": bundle_id, "shortlist.bundle": bundle_id},
            )
            known = str(made.version)
        return Version(registered, known, run_id)

    def find_bundle(self, bundle_id: str) -> Version | None:
        """The registered version of a bundle, or None."""
        registered = self.registered(BUNDLE)
        found = self.client.search_model_versions(
            f"name = '{registered}' and tag.`shortlist.bundle` = '{bundle_id}'"
        )
        return Version(registered, str(found[0].version), str(found[0].run_id)) if found else None

    def forget(self, kept: Collection[str], before: datetime) -> int:
        """Delete what is large of old bundles: their copies, and their models' arrays and versions.

        Params, metrics, tables, plots and cards stay. A bundle's own version goes last, so that a call that
        breaks off is ended by the next.

        Args:
            kept: ids of bundles to leave as they are.
            before: bundles that were registered later are left, too.

        Returns:
            How many parent runs lost their files.
        """
        registered, moment = self.registered(BUNDLE), 1000 * before.timestamp()
        versions = self.client.search_model_versions(f"name = '{registered}'", max_results=_MANY)
        needed = {
            version.run_id
            for version in versions
            if version.creation_timestamp >= moment or version.tags["shortlist.bundle"] in kept
        }
        old = [version for version in versions if version.run_id not in needed]
        for version in old:
            for run in self.children(version.run_id).values():
                self._forget_models(run)
            self._delete_files(self.client.get_run(version.run_id).info.artifact_uri, "bundle")
            self.client.delete_model_version(registered, version.version)
        return len({version.run_id for version in old})

    def _forget_models(self, run_id: str) -> None:
        experiment = self.client.get_run(run_id).info.experiment_id
        made = f"source_run_id = '{run_id}'"
        for logged in self.client.search_logged_models([experiment], filter_string=made):
            self._delete_files(logged.artifact_location)
            self.client.delete_logged_model(logged.model_id)
        for version in self.client.search_model_versions(f"run_id = '{run_id}'"):
            self.client.delete_model_version(version.name, version.version)

    def _delete_files(self, address: str, folder: str | None = None) -> None:
        """Delete artefacts, a folder of them or all; what is not there is no error."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        get_artifact_repository(address).delete_artifacts(folder)

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

    def _runs(self) -> str:
        return self._ensure_experiment(self.experiment, _ABOUT_RUNS)

    def _searches(self) -> str:
        return self._ensure_experiment(f"{self.experiment}-search", _ABOUT_SEARCHES)

    def _ensure_experiment(self, name: str, about: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        from mlflow.exceptions import MlflowException

        # MLflow's UI opens an experiment of this kind on its table of training runs, metrics first.
        tags = {"mlflow.experimentKind": "custom_model_development", NOTE: about}
        try:
            return str(self.client.create_experiment(name, tags=tags))
        except MlflowException:
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _run(
        self,
        lineage: Lineage,
        kind: str,
        title: str,
        parent: str | None,
        more: Mapping[str, str] | None = None,
    ) -> str:
        tags = lineage.tags(kind) | dict(more or {})
        experiment = self._runs()
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.client.search_runs(
            [experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        if found:
            return str(found[0].info.run_id)
        if parent is not None:
            tags[PARENT] = parent
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


def with_section(note: str, heading: str, text: str) -> str:
    """Markdown with the section under `## heading` replaced, or added at the end."""
    parts = [part.partition("\n") for part in f"\n{note}".split("\n## ")[1:]]
    sections = {title: body.strip() for title, _, body in parts}
    sections[heading] = text.strip()
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in sections.items()) + "\n"


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
