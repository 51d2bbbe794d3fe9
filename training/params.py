"""params.yaml as one typed, frozen object. Unknown keys are refused; no default lives in code.

A model's section is that model's own config class, so a hyperparameter is declared once.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from database.settings import get_settings
from training.models.als import AlsConfig
from training.models.base import Config
from training.models.blend import NEW_ITEMS
from training.models.ease import EaseConfig
from training.models.embeddings import EmbeddingsConfig
from training.models.fpgrowth import FpGrowthConfig
from training.models.gfcf import GfCfConfig
from training.models.itemknn import ItemKnnConfig
from training.models.nmf import NmfConfig
from training.models.popularity import PopularityConfig
from training.models.registry import ALGORITHMS
from training.models.rp3beta import Rp3BetaConfig
from training.models.tfidf import TfidfConfig
from training.models.trending import TrendingConfig
from training.search import Choices, Ladder, Range


class ParamsError(Exception):
    """params.yaml can't be used; the message names each key that is wrong."""

    def __init__(self, path: Path, problems: str) -> None:
        super().__init__(f"{path}: {problems}")
        self.path = path


class EventWeights(Config):
    """What one event says, by event type. A type that is not here (a search) says nothing of an item."""

    like: float
    click: float
    product_click: float
    view_time: float
    purchase: float
    rating: float
    """Times (stars - neutral_stars)."""
    feedback: float
    """Times the sign."""
    skip: float


class InteractionsParams(Config):
    """Section `interactions`."""

    weights: EventWeights
    neutral_stars: float = Field(ge=0, le=5)
    """A rating of so many stars speaks neither for an item nor against it."""


class SplitParams(Config):
    """Section `split`: what is held out."""

    protocol: Literal["time", "leave_last_out"]
    validation_days: int = Field(ge=0)
    test_days: int = Field(ge=1)


class EvaluationParams(Config):
    """Section `evaluation`: how rankings are measured."""

    cutoffs: tuple[int, ...] = Field(min_length=1)
    bootstrap_samples: int = Field(ge=100)
    batch_users: int = Field(ge=1)
    """Users scored at once: memory is 4 bytes x users x items."""


class TuneParams(Config):
    """Section `tune`: the search of hyperparameters."""

    startup_trials: int = Field(ge=1)
    """Trials drawn at random before the sampler learns from them."""
    windows: int = Field(ge=1)
    """Validation windows that a workspace's search averages over."""
    coverage_margin: float = Field(ge=0)
    """In every window the blend's coverage must reach so many times that of the best single model."""
    max_users: int = Field(ge=1)
    """Validation users that a trial is measured on, drawn by the seed when there are more."""
    validation_share: float = Field(gt=0, lt=1)
    """Part of a train file's pairs that the benchmark tunes on."""
    blended: tuple[str, ...] = Field(min_length=1)
    """Models that the benchmark's blend is made of."""
    spaces: dict[str, dict[str, Choices | Range | Ladder]]
    """model → hyperparameter → where it is searched."""
    bounds: dict[str, dict[str, Ladder]]
    """model → hyperparameter that bounds its cost → where the benchmark alone searches it."""
    starts: dict[str, tuple[dict[str, Any], ...]]
    """model → values that a search tries right after the shipped ones."""


class BlendParams(Config):
    """Section `blend`: how models' scores are combined."""

    clicked: float
    search: float
    diverse: float
    embeddings: float
    cf: float
    cold_below: int
    """Under this many interactions a user is cold."""
    stale_days: int
    weights: Literal["documents", "tuned"]
    """How home weighs the models that speak for what a user clicked: alike, or by `tuned`."""
    tuned: dict[str, float]
    """Weight of each model in the blend that was learned on validation (`training.models.blend.combine`);
    `new_items` is what TF-IDF has on top on items that few users are known of."""

    def changed(self, changes: Mapping[str, Any]) -> "BlendParams":
        """The blend with some keys changed, as an experiment's arm asks; `tuned` is replaced as a whole.

        Raises ValueError for a key, a value or a model's name that does not exist.
        """
        made = BlendParams.model_validate(self.model_dump() | dict(changes))
        if unknown := sorted(made.tuned.keys() - {*ALGORITHMS, NEW_ITEMS}):
            raise ValueError(f"tuned: no model is called {', '.join(unknown)}")
        return made


class FieldBoosts(Config):
    """How many times a word counts by the field it stands in."""

    title: float = Field(ge=0)
    tags: float = Field(ge=0)
    category: float = Field(ge=0)
    sub_category: float = Field(ge=0)
    description: float = Field(ge=0)


class SearchParams(Config):
    """Section `search`."""

    lexical: float
    semantic: float
    focus: float = Field(gt=0)
    """Power of the share of a query's words that an item has: above 1, few of them count little."""
    min_similarity: float
    """A cosine below this is no match."""
    candidates: int
    """Nearest vectors that are fused with the words' matches."""
    synonyms: str
    """Path of the synonyms file, relative to the checkout."""
    synonym_weight: float = Field(ge=0, le=1)
    """What a match by a synonym counts."""
    typo_weight: float = Field(ge=0, le=1)
    """What a match by a guessed word counts."""
    bm25_k1: float = Field(ge=0)
    bm25_b: float = Field(ge=0, le=1)
    boosts: FieldBoosts


class RankingParams(Config):
    """Section `ranking`: the service's reordering of the blend."""

    history_events: int
    candidates: int
    recent_queries: int
    query_decay: float
    dislike_penalty: float
    interest_share: float
    relevance: float
    value_prior_ratings: float
    value_popularity: float
    value_cheapness: float = Field(ge=0, le=1)
    """Saving of the cheapest item of its group, where no discount is known."""
    top_categories: int


class GateParams(Config):
    """Section `gate`: what a bundle must reach before it may serve."""

    judged: tuple[str, ...] = Field(min_length=1)
    """Models whose accuracy counts; "blend" is all of them together, as users see them."""
    baseline: str
    """What the first bundle is held against."""
    metric: str
    """Metric of the comparisons, such as ndcg@10."""
    confidence: float = Field(gt=0, lt=1)
    """Of the comparisons of all judged models and of users without history together."""
    min_test_users: int
    """Under this many test users accuracy is not judged."""
    min_gain_over_baseline: float
    """First bundle: the best judged model's mean gain must be above this."""
    min_ndcg_difference: float
    """Later bundles: the floor of a judged model's difference to the champion's."""
    min_coverage_ratio: float
    min_cold_difference: float
    """Later bundles: refused when users without history are shown to be served worse by more."""
    min_index_recall: float
    max_size_mb: float
    max_smoke_ms: float
    """P95 of one list from the loaded bundle."""
    smoke_queries: int


class ExperimentsParams(Config):
    """Section `experiments`: what a click is, and how arms are judged."""

    click_events: tuple[str, ...] = Field(min_length=1)
    attribution_minutes: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    effect_scale: float = Field(gt=0)
    min_users: int = Field(ge=2)
    poll_seconds: float = Field(gt=0)
    exploration_pool: int = Field(ge=1)
    shadows_at_once: int = Field(ge=1)
    importance_clip: float = Field(ge=1)
    off_policy_slots: int = Field(ge=1)


class ImpressionsParams(Config):
    """Section `impressions`: the log of shown lists in the service."""

    positions: int = Field(ge=1)
    """First items of a list that are logged."""
    queue_lists: int = Field(ge=1)
    batch_lists: int = Field(ge=1)
    flush_ms: float = Field(gt=0)


class MonitoringParams(Config):
    """Section `monitoring`: what drift, age and slowness are too much."""

    window_days: int = Field(ge=1)
    sample_rows: int = Field(ge=1)
    embedding_rows: int = Field(ge=2)
    min_rows: int = Field(ge=2)
    significance: float = Field(gt=0, lt=1)
    cooldown_hours: float = Field(ge=0)
    category_psi: float = Field(gt=0)
    price_ks: float = Field(gt=0)
    text_length_ks: float = Field(gt=0)
    event_mix_psi: float = Field(gt=0)
    popularity_psi: float = Field(gt=0)
    activity_ks: float = Field(gt=0)
    embedding_mean_shift: float = Field(gt=0)
    embedding_mmd: float = Field(gt=0)
    max_bundle_age_hours: float = Field(gt=0)
    max_trending_age_hours: float = Field(gt=0)
    max_probe_ms: float = Field(gt=0)
    report_days: int = Field(ge=1)


class GuardParams(Config):
    """Section `guard`: when a bundle's click rate takes it out of service."""

    window_days: int = Field(ge=1, le=7)
    """Not above 7: the same days a week earlier must lie before the bundle's first."""
    weeks: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    effect_scale: float = Field(gt=0)
    """On the scale of the logarithm of a ratio of rates."""
    day_spread: float = Field(ge=0)
    unmatched_spread: float = Field(ge=0)
    min_users: int = Field(ge=2)
    min_relative_drop: float = Field(ge=0, lt=1)
    cooldown_hours: float = Field(ge=0)


class RetentionParams(Config):
    """Section `retention`: how long what no longer serves is kept."""

    bundles: int = Field(ge=1)
    snapshots_days: int = Field(ge=1)
    impressions_days: int = Field(ge=1)
    interactions_days: int | None
    """None keeps every interaction."""
    logs_days: int = Field(ge=1)
    """Of Airflow's tasks."""


_NOT_LEARNED = (
    "tune",
    "trending",
    "blend",
    "search",
    "ranking",
    "gate",
    "experiments",
    "impressions",
    "monitoring",
    "guard",
    "retention",
)
"""Sections that change nothing of what a bundle's models are."""


class Params(Config):
    """The whole of params.yaml."""

    seed: int
    interactions: InteractionsParams
    split: SplitParams
    evaluation: EvaluationParams
    als: AlsConfig
    nmf: NmfConfig
    tfidf: TfidfConfig
    embeddings: EmbeddingsConfig
    fpgrowth: FpGrowthConfig
    itemknn: ItemKnnConfig
    ease: EaseConfig
    rp3beta: Rp3BetaConfig
    gfcf: GfCfConfig
    popularity: PopularityConfig
    tune: TuneParams
    trending: TrendingConfig
    blend: BlendParams
    search: SearchParams
    ranking: RankingParams
    gate: GateParams
    experiments: ExperimentsParams
    impressions: ImpressionsParams
    monitoring: MonitoringParams
    guard: GuardParams
    retention: RetentionParams

    def digest(self) -> str:
        """Hash of everything that decides what is learned (sha256, 16 hex digits)."""
        learned = self.model_dump_json(exclude=set(_NOT_LEARNED))
        return hashlib.sha256(learned.encode()).hexdigest()[:16]


def learned_sections(params: dict[str, Any]) -> dict[str, Any]:
    """The sections, out of those of a manifest, that decide what the models are."""
    return {name: section for name, section in params.items() if name not in _NOT_LEARNED}


def load_params(path: Path | None = None) -> Params:
    """Read and check params.yaml: the file at `path`, or that of the installation's workspace.

    Raises:
        ParamsError: the file is missing or no YAML, a key is unknown or missing, or a value is out of range.
    """
    path = path or get_settings().workspace / "params.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(path, str(error)) from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ParamsError(path, problems) from error
