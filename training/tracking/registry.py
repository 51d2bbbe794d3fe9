"""MLflow's registry: versions of models and bundles, their cards, and the aliases that point at them.

A model version is registered from a folder of arrays through a loader module: nothing is pickled.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.tracking.run import TrackedRun
from training.tracking.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

BUNDLE = "bundle"
"""The registered model whose versions are whole bundles."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
BUNDLE_ID = "shortlist.bundle"
"""Tag of a bundle's run and of its version."""

_LOADER = "training.pyfunc"
_REQUIREMENTS = ("numpy", "scipy", "pydantic")
_CONTENT = "shortlist.content"
_LONGEST_CARD = 5000


class Registry:
    """The registered models of one installation."""

    def __init__(self, client: "MlflowClient", prefix: str) -> None:
        """Names of models begin with `prefix` and a hyphen, so that installations may share a server."""
        self._client, self._prefix = client, prefix

    def name_of(self, model: str) -> str:
        """What a model, or BUNDLE, is called in the registry."""
        return f"{self._prefix}-{model}"

    def register_model(self, run: TrackedRun, model: str, files: Path, content: str, example: str) -> Version:
        """Register `files` (a folder of arrays) as a version of a model.

        The same content registered from the same run gives the version that exists.

        Args:
            run: the model's own.
            model: its name in params.yaml.
            files: what `training.pyfunc` can load.
            content: hash of the files.
            example: an item's id, for MLflow to try and to show how the model is asked.
        """
        import mlflow

        name = self.name_of(model)
        known = self._version_of(name, run.id, content)
        if known is None:
            with mlflow.start_run(run_id=run.id, log_system_metrics=False):
                info = mlflow.pyfunc.log_model(
                    name=model,
                    loader_module=_LOADER,
                    data_path=str(files),
                    pip_requirements=list(_REQUIREMENTS),
                    registered_model_name=name,
                    signature=_signature(),
                    input_example=([[example]], {"k": 3}),
                )
            known = str(info.registered_model_version)
            self._client.set_model_version_tag(name, known, _CONTENT, content)
        return Version(name, known, run.id)

    def register_bundle(self, run: TrackedRun, bundle_id: str, files: Path) -> Version:
        """Register an assembled bundle as a version of BUNDLE; the same bundle only once."""
        name = self.name_of(BUNDLE)
        known = self._version_of(name, run.id, bundle_id)
        if known is None:
            run.log_files(files, BUNDLE)
            self._ensure_registered(name)
            made = self._client.create_model_version(
                name,
                source=f"runs:/{run.id}/{BUNDLE}",
                run_id=run.id,
                tags={_CONTENT: bundle_id, BUNDLE_ID: bundle_id},
            )
            known = str(made.version)
        return Version(name, known, run.id)

    def find_bundle(self, bundle_id: str) -> Version | None:
        """The registered version of a bundle, or None."""
        name = self.name_of(BUNDLE)
        found = self._client.search_model_versions(f"name = '{name}' and tag.`{BUNDLE_ID}` = '{bundle_id}'")
        return Version(name, str(found[0].version), str(found[0].run_id)) if found else None

    def describe(self, version: Version, card: str) -> None:
        """Set a version's description, in Markdown, as far as MLflow's column holds it."""
        self._client.update_model_version(version.name, version.version, description=card[:_LONGEST_CARD])

    def aliases(self, name: str) -> dict[str, str]:
        """alias → version of a registered model; empty when it has none."""
        from mlflow.exceptions import MlflowException

        try:
            model = self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: str(version) for alias, version in model.aliases.items()}

    def set_aliases(self, name: str, wanted: Mapping[str, str | None]) -> list[str]:
        """Point aliases of `name` at versions (None removes one); returns those that had to move.

        A version that somebody deleted in MLflow is warned of, and its alias left: what serves is said by the
        database, which the aliases only mirror.
        """
        from mlflow.exceptions import MlflowException

        now = self.aliases(name)
        moved = []
        for alias, version in wanted.items():
            if version is None and alias in now:
                self._client.delete_registered_model_alias(name, alias)
                moved.append(alias)
            elif version is not None and now.get(alias) != version:
                try:
                    self._client.set_registered_model_alias(name, alias, version)
                except MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                        raise
                    gone = "version %s of %s was deleted in MLflow: alias '%s' is not set, training goes on"
                    logger.warning(gone, version, name, alias)
                    continue
                moved.append(alias)
        return moved

    def _version_of(self, name: str, run_id: str, content: str) -> str | None:
        found = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        same = [version for version in found if version.tags.get(_CONTENT) == content]
        return str(same[0].version) if same else None

    def _ensure_registered(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _signature() -> Any:
    """A loaded model takes the length of its lists as a param; what it is asked with has no columns."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec

    return ModelSignature(params=ParamSchema([ParamSpec("k", "long", 10)]))
