"""params.yaml as one typed, frozen object. Unknown keys are refused.

Keys that 0.1.0 did not have may be missing in an installation's file: they alone have defaults in code.

A model's section is that model's own config class, so a hyperparameter is declared once, in the model's
file. The other sections stand by subject in the files beside this one.

Others use `changes`, `edit`, `encoder`, `event_types`, `experiments`, `learning`, `operating`, `ranking` and
`spaces`.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import Field, ValidationError, create_model

from database.settings import get_settings
from training.errors import TrainingError
from training.models.blend import BLEND, NEW_ITEMS
from training.models.core.base import Config
from training.models.embeddings import EmbeddingsConfig
from training.models.registry import REGISTRY, algorithm, names
from training.models.trending import TrendingConfig
from training.params.changes import edits_needed, rename_old_keys
from training.params.experiments import ExperimentsParams, ImpressionsParams
from training.params.learning import (
    EvaluationParams,
    EventTypeParams,
    InteractionsParams,
    SplitParams,
    TuneParams,
)
from training.params.operating import (
    METRICS,
    DataCheckParams,
    GateParams,
    GuardParams,
    MonitoringParams,
    RetentionParams,
)
from training.params.ranking import BlendParams, RankingParams, SearchParams

if TYPE_CHECKING:
    _ModelSections = Config
else:
    _ModelSections = create_model(
        "_ModelSections", __base__=Config, **{name: (algorithm(name).config, ...) for name in REGISTRY}
    )
    """A field of every model of the registry, of the type of its config."""

SomeConfig = TypeVar("SomeConfig", bound=Config)


class ParamsError(TrainingError):
    """params.yaml can't be used; the message names each key that is wrong."""

    def __init__(self, path: Path, problems: str) -> None:
        super().__init__(f"{path}: {problems}")
        self.path = path


_NOT_LEARNED = (
    "event_types",
    "tune",
    "trending",
    "blend",
    "search",
    "ranking",
    "data_checks",
    "gate",
    "experiments",
    "impressions",
    "monitoring",
    "guard",
    "retention",
)
"""Sections that change nothing of what a bundle's models are."""


class Params(_ModelSections):
    """The whole of params.yaml: the sections below, and one of each model of the registry."""

    seed: int = Field(ge=0)
    interactions: InteractionsParams
    event_types: dict[str, EventTypeParams] = {}  # noqa: RUF012
    """By name: a word, or a word with a condition on the event's value, such as `read>=3`."""
    split: SplitParams
    evaluation: EvaluationParams
    embeddings: EmbeddingsConfig
    trending: TrendingConfig
    tune: TuneParams
    blend: BlendParams
    search: SearchParams
    ranking: RankingParams
    data_checks: DataCheckParams = DataCheckParams()
    gate: GateParams
    experiments: ExperimentsParams
    impressions: ImpressionsParams
    monitoring: MonitoringParams
    guard: GuardParams
    retention: RetentionParams

    def model(self, name: str) -> Config:
        """The section of the model called `name`. Raises KeyError when there is no such model."""
        config: Config = getattr(self, REGISTRY[name].name)
        return config

    def section(self, kind: type[SomeConfig]) -> SomeConfig:
        """The section of the model whose config is of this type, such as `AlsConfig`.

        Raises KeyError when no model of the registry has such a config.
        """
        for name in REGISTRY:
            found = self.model(name)
            if isinstance(found, kind):
                return found
        raise KeyError(kind.__name__)

    def digest(self) -> str:
        """Hash of everything that decides what is learned (sha256, 16 hex digits)."""
        learned = self.model_dump_json(exclude=set(_NOT_LEARNED))
        return hashlib.sha256(learned.encode()).hexdigest()[:16]


def learned_sections(params: dict[str, Any]) -> dict[str, Any]:
    """The sections, out of those of a manifest, that decide what the models are."""
    return {name: section for name, section in params.items() if name not in _NOT_LEARNED}


def params_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The params in a manifest as this version writes them: with today's names, and new keys at their
    defaults. Where they don't fit this version, with today's names only."""
    renamed = rename_old_keys(manifest["params"])
    try:
        return Params.model_validate(renamed).model_dump(mode="json")
    except ValidationError:
        return renamed


def load_params(path: Path | None = None, *, rename: bool = False) -> Params:
    """Read and check params.yaml: the file at `path`, or that of the installation's workspace.

    Args:
        path: the file.
        rename: read keys of an earlier version by what they are now, instead of refusing them.

    Raises ParamsError when the file is missing or no YAML, a key is unknown, missing or of an earlier
    version, or a value is out of range. The message names all of them, and each old key with what it is now.
    """
    path = path or get_settings().workspace / "params.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(path, str(error)) from error
    renamed = edits_needed(content) if isinstance(content, dict) else []
    try:
        params = Params.model_validate(rename_old_keys(content) if renamed else content)
    except ValidationError as error:
        raise ParamsError(path, "; ".join([*renamed, *_problems(error)])) from error
    if renamed and not rename:
        raise ParamsError(path, "; ".join(renamed))
    if missing := _names_without_meaning(params):
        raise ParamsError(path, "; ".join(missing))
    return params


def _names_without_meaning(params: Params) -> list[str]:
    """What a section names and nothing computes: the gate would find it out at the end of a night."""
    weighed = tuple(name for name, weight in params.blend.tuned.items() if weight)
    compared = {BLEND, *names(scope="bundle"), *names(scope="evaluation")}
    named = {
        "gate.judged": (params.gate.judged, compared),
        "gate.baseline": ((params.gate.baseline,), compared),
        "blend.tuned": (weighed, {NEW_ITEMS, *names(scope="bundle")}),
        "gate.metric": (
            (params.gate.metric,),
            {f"{metric}@{cutoff}" for metric in METRICS for cutoff in params.evaluation.cutoffs},
        ),
    }
    nothing = [] if weighed else ["blend.tuned: no model has a weight, so nothing could be judged"]
    return nothing + [
        f"{key}: {', '.join(unknown)} is none of {', '.join(sorted(known))}"
        for key, (given, known) in named.items()
        if (unknown := [name for name in given if name not in known])
    ]


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
        for problem in error.errors()
    ]
