"""Where runs are found: one parent run for each (snapshot, params), found again by its tags.

So a task that is cleared and rerun writes into the same run. Below it one child run for each model, the
baselines and the blend among them. Searches of hyperparameters have an experiment of their own.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from database.settings import Settings
from training.tracking.lineage import KIND, Lineage
from training.tracking.registry import BUNDLE, Registry
from training.tracking.run import NOTE, TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"

_RUNS_NOTE = (
    "One parent run per snapshot with one child run per model, baseline and blend. Metrics are from models "
    "trained before the test period; `_low` and `_high` are 95 % intervals. The parent run has a table and a "
    "link to compare all."
)
_SEARCHES_NOTE = "One parent run per search, one child run per trial; trial 0 uses the shipped values."


class Tracker:
    """A connection to one MLflow server: the installation's runs, and its `registry`."""

    client: "MlflowClient"
    registry: Registry

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        import mlflow

        mlflow.set_tracking_uri(settings.tracking_uri)
        self.client = mlflow.MlflowClient()
        self.experiment = settings.mlflow_experiment
        self.registry = Registry(self.client, self.experiment)

    def run(self, run_id: str) -> TrackedRun:
        """A run that is known by its id; one that was deleted in MLflow's UI is put back."""
        if self.client.get_run(run_id).info.lifecycle_stage == "deleted":
            logger.warning("run %s was deleted in MLflow: it is restored", run_id)
            self.client.restore_run(run_id)
        return TrackedRun(self.client, run_id)

    def bundle_run(self, lineage: Lineage) -> TrackedRun:
        """The parent run of this snapshot and these params, made when missing."""
        return self._find_or_make(lineage.tags(BUNDLE), f"bundle {lineage.snapshot[:8]}", {})

    def model_run(self, lineage: Lineage, name: str, weights: str | None = None) -> TrackedRun:
        """The run of the model `name` below the parent; one that is weighed has one for each `weights`."""
        tags = lineage.tags(name) | ({"shortlist.weights": weights} if weights is not None else {})
        return self._find_or_make(tags, name, {PARENT: self.bundle_run(lineage).id})

    def fail_bundle_run(self, lineage: Lineage, reason: str) -> None:
        """End the parent run of this snapshot and these params as FAILED, if there is one.

        It is called while an error is on its way: a server that does not answer is logged, not raised.
        """
        from mlflow.exceptions import MlflowException

        try:
            for run in self._search(lineage.tags(BUNDLE)):
                self.run(str(run.info.run_id)).fail(reason)
        except MlflowException as error:
            logger.warning("MLflow could not be told of the failure: %s", error)

    def fail_unfinished(self, reason: str) -> None:
        """End every run of the installation as FAILED that is still running."""
        experiment = self._ensure_experiment(self.experiment, _RUNS_NOTE)
        for run in self.client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            self.run(str(run.info.run_id)).fail(reason)

    def children(self, run_id: str) -> dict[str, str]:
        """Kind → id of the newest run of that kind below a run."""
        experiment = self.client.get_run(run_id).info.experiment_id
        found = self.client.search_runs(
            [experiment], f"tags.`{PARENT}` = '{run_id}'", order_by=["attributes.start_time ASC"]
        )
        return {run.data.tags[KIND]: str(run.info.run_id) for run in found}

    def open_search(self, lineage: Lineage, name: str) -> TrackedRun:
        """A new run for a search of a model's hyperparameters; its trials go below it."""
        made = self.client.create_run(
            self._searches(), tags=lineage.tags(f"search.{name}"), run_name=f"search {name}"
        )
        return self.run(str(made.info.run_id))

    def log_trial(
        self,
        search: TrackedRun,
        lineage: Lineage,
        *,
        number: int,
        values: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> str:
        """Log one trial of a search as a finished run below it, and its metrics as a step of the search.

        Returns the trial's run id.
        """
        tags = lineage.tags("trial") | {PARENT: search.id}
        made = self.client.create_run(self._searches(), tags=tags, run_name=f"trial {number}")
        trial = self.run(str(made.info.run_id))
        trial.log(values, metrics)
        trial.finish()
        search.log({}, metrics, step=number)
        return trial.id

    def comparison(self, runs: Sequence[str]) -> str:
        """Address, within MLflow's UI, of the page that compares runs (ids) of one experiment."""
        experiment = self.client.get_run(runs[0]).info.experiment_id
        chosen, of = json.dumps(list(runs), separators=(",", ":")), json.dumps([experiment])
        return f"#/compare-runs?runs={quote(chosen)}&experiments={quote(of)}"

    def charts(self, run_id: str, metric: str) -> str:
        """Address, within MLflow's UI, of the charts of all runs below a run, the best by `metric` first."""
        experiment = self.client.get_run(run_id).info.experiment_id
        chosen = quote(f"tags.`{PARENT}` = '{run_id}'")
        order = f"orderByKey={quote(f'metrics.`{metric}`')}&orderByAsc=false"
        return f"#/experiments/{experiment}/runs?searchFilter={chosen}&{order}&compareRunsMode=CHART"

    def _searches(self) -> str:
        return self._ensure_experiment(f"{self.experiment}-search", _SEARCHES_NOTE)

    def _ensure_experiment(self, name: str, about: str) -> str:
        """Id of an experiment, made when missing; of two that make it at once one finds the other's.

        MLflow keeps the name of one that was deleted in its UI: that one is put back.
        """
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                logger.warning("experiment '%s' was deleted in MLflow: it is restored", name)
                self.client.restore_experiment(found.experiment_id)
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

    def _find_or_make(self, key: Mapping[str, str], title: str, more: Mapping[str, str]) -> TrackedRun:
        """The oldest run that has the tags `key`; a new one gets the tags `more` besides."""
        if found := self._search(key):
            return self.run(str(found[0].info.run_id))
        experiment = self._ensure_experiment(self.experiment, _RUNS_NOTE)
        made = self.client.create_run(experiment, tags={**key, **more}, run_name=title)
        return self.run(str(made.info.run_id))

    def _search(self, key: Mapping[str, str]) -> Sequence[Any]:
        """The oldest run of the installation that has the tags `key`, or none."""
        experiment = self._ensure_experiment(self.experiment, _RUNS_NOTE)
        query = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in key.items())
        found: Sequence[Any] = self.client.search_runs(
            [experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        return found
