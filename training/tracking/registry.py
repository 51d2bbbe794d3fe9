"""MLflow's registry: versions of models and bundles, their cards, and the aliases that point at them.

A version is registered from a folder of arrays through a loader module: nothing is pickled. It holds the code
that loads it and names the packages with their releases, so that it needs no checkout.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database.settings import REPOSITORY
from training.pyfunc import HISTORY
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
_REQUIREMENTS = ("mlflow", "numpy", "scipy", "pydantic", "faiss-cpu", "pandas")
"""What the loader and the models import; a version asks for the releases that it was made with."""
_CODE = ("__init__.py", "errors.py", "pyfunc.py", "models")
"""The part of the package `training` that a version needs to be loaded."""
_CONTENT = "shortlist.content"
_LONGEST_CARD = 5000
_LOGGED = "models:/"
"""What the source of a version begins with, before the id of a logged model."""


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
        name = self.name_of(model)
        known = self._version_of(name, run.id, content)
        if known is None:
            known = self._log(run, model, files, example)
            self._client.set_model_version_tag(name, known, _CONTENT, content)
        return Version(name, known, run.id)

    def register_bundle(self, run: TrackedRun, bundle_id: str, files: Path, example: str) -> Version:
        """Register an assembled bundle as a version of BUNDLE; the same bundle only once.

        Args:
            run: the bundle's own.
            bundle_id: of its manifest.
            files: its folder.
            example: an item's id, to show how the bundle is asked.
        """
        name = self.name_of(BUNDLE)
        known = self._version_of(name, run.id, bundle_id)
        if known is None:
            known = self._log(run, BUNDLE, files, example)
            for tag in (_CONTENT, BUNDLE_ID):
                self._client.set_model_version_tag(name, known, tag, bundle_id)
        return Version(name, known, run.id)

    def _log(self, run: TrackedRun, model: str, files: Path, example: str) -> str:
        """Store files with the code that loads them, and register them; returns the new version's number.

        MLflow copies the metrics that the run has by then to the version, at one request for each of them:
        they are better logged afterwards, with the version's `logged_model`.
        """
        import mlflow
        import pandas as pd

        asked = (pd.DataFrame({HISTORY: [[example]]}), {"k": 3})
        with _code() as code, mlflow.start_run(run_id=run.id, log_system_metrics=False):
            info = mlflow.pyfunc.log_model(
                name=model,
                loader_module=_LOADER,
                data_path=str(files),
                code_paths=[str(code)],
                pip_requirements=[f"{package}=={metadata.version(package)}" for package in _REQUIREMENTS],
                registered_model_name=self.name_of(model),
                signature=_signature(),
                input_example=asked,
            )
        return str(info.registered_model_version)

    def find_bundle(self, bundle_id: str) -> Version | None:
        """The registered version of a bundle, or None."""
        name = self.name_of(BUNDLE)
        found = self._client.search_model_versions(f"name = '{name}' and tag.`{BUNDLE_ID}` = '{bundle_id}'")
        return Version(name, str(found[0].version), str(found[0].run_id)) if found else None

    def describe(self, version: Version, card: str) -> None:
        """Set a version's description, in Markdown, as far as MLflow's column holds it."""
        self._client.update_model_version(version.name, version.version, description=card[:_LONGEST_CARD])

    def describe_models(self, about: Mapping[str, str]) -> None:
        """Say of registered models (model, or BUNDLE → text in Markdown) what they are."""
        for model, text in about.items():
            self._client.update_registered_model(self.name_of(model), description=text)

    def logged_model(self, version: Version) -> str | None:
        """Id of the logged model that a version was registered from; None if MLflow keeps none of it."""
        source = str(self._client.get_model_version(version.name, version.version).source)
        return source.removeprefix(_LOGGED) if source.startswith(_LOGGED) else None

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


@contextmanager
def _code() -> Iterator[Path]:
    """A copy of the code that loads a version: the package `training` with that part alone."""
    with tempfile.TemporaryDirectory() as made:
        package = Path(made) / "training"
        package.mkdir()
        for name in _CODE:
            source = REPOSITORY / "training" / name
            if source.is_dir():
                shutil.copytree(source, package / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, package / name)
        yield package


def _signature() -> Any:
    """A column of histories in, a list of items for each out; the length of the lists is a param."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    items = Array(DataType.string)
    return ModelSignature(
        inputs=Schema([ColSpec(items, HISTORY)]),
        outputs=Schema([ColSpec(items)]),
        params=ParamSchema([ParamSpec("k", "long", 10)]),
    )
