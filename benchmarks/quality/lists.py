"""Every model and the blend on a workspace's holdout, and the blend as the home page reorders it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from serving.bundle.loading import strongest_factor
from serving.steps.rerankers.diversity import mmr
from serving.steps.scores import above_lowest, scaled_to_best
from serving.steps.variety import day_seed, random_keys, sample_diverse
from training.data.prepared import Prepared
from training.evaluation.holdout import Holdout
from training.evaluation.ranking import Evaluation, Ranker, TestSet, evaluate, rank
from training.models.blend import Blend
from training.models.core.base import Model, Query, top_k
from training.models.core.types import Csr, FloatArray, IntArray
from training.models.nmf import Nmf
from training.models.registry import fit_model
from training.params import Params

WITH_FALLBACK = "ease, popularity for cold users"
"""The simplest system that serves everyone: the best single model, and popularity where it has no scores."""


@dataclass(frozen=True, eq=False)
class RankerResult:
    """One ranker's lists and numbers."""

    lists: IntArray
    """int32[u, k], the largest cutoff."""
    evaluation: Evaluation
    seconds: float | None
    """CPU seconds of the fit; None for blends."""


class Fallback:
    """One model, and a second one for the users that the first gives no score above zero."""

    def __init__(self, first: Model, second: Model) -> None:
        self.first = first
        self.second = second

    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items for many histories (csr[B, n_items]), float32[B, n_items]."""
        scores = self.first.score_batch(histories)
        silent = ~(scores > 0).any(axis=1)
        if silent.any():
            scores = scores.copy()
            scores[silent] = self.second.score_batch(histories[silent])
        return scores


@dataclass(frozen=True)
class Reordering:
    """What the home page does to the blend's order."""

    diverse: float
    """Weight of the draw from groups that the user has seen little of, against the blend's `clicked`."""
    relevance: float
    """Of maximal marginal relevance."""
    new_items: bool = False
    """The last place goes to the item little is known of that is the nearest by its words."""


def fit_all(
    names: Sequence[str], prepared: Prepared, holdout: Holdout, params: Params
) -> dict[str, tuple[Model, float]]:
    """Fit models on what came before the test; each with its CPU seconds."""
    data = holdout.training_data(prepared)
    fitted = {}
    for name in names:
        started = time.process_time()
        model = fit_model(name, data, params.model(name), params.seed)
        fitted[name] = (model, time.process_time() - started)
    return fitted


def evaluate_all(
    fitted: Mapping[str, tuple[Model, float]],
    blends: Mapping[str, Mapping[str, float]],
    test: TestSet,
    params: Params,
) -> dict[str, RankerResult]:
    """Lists and numbers of the blends, of EASE with its fallback, and of every model, the best first."""
    models = {name: model for name, (model, _) in fitted.items()}
    rankers: dict[str, tuple[Ranker, float | None]] = {
        name: (Blend(models, weights, test.new_items), None) for name, weights in blends.items()
    }
    rankers[WITH_FALLBACK] = (Fallback(models["ease"], models["popularity"]), None)
    rankers |= fitted
    cutoffs = params.evaluation.cutoffs
    found = {}
    for name, (ranker, seconds) in rankers.items():
        lists = rank(ranker, test.histories, max(cutoffs), params.evaluation.batch_users)
        numbers = evaluate(lists, test, cutoffs, params.evaluation.bootstrap_samples, params.seed)
        found[name] = RankerResult(lists, numbers, seconds)
    metric = f"ndcg@{cutoffs[0]}"
    ranked = sorted(models, key=lambda name: -found[name].evaluation.metric(metric))
    return {name: found[name] for name in (*blends, WITH_FALLBACK, *ranked)}


def reorder(
    blend: Blend,
    models: Mapping[str, Model],
    test: TestSet,
    params: Params,
    settings: Sequence[Reordering],
) -> list[IntArray]:
    """The first places of the home page's personalized list, int32[u, first cutoff], for each setting.

    Nobody searched here, so the draw stands beside the blend alone; groups are the items' strongest NMF
    factors, as they are where categories are not known.
    """
    k, pool = params.evaluation.cutoffs[0], params.ranking.candidates
    nmf, popularity = models["nmf"], models["popularity"]
    assert isinstance(nmf, Nmf)
    groups = strongest_factor(nmf.item_factors)
    popular = popularity.scores(Query())
    popular = popular / max(float(popular.max(initial=0.0)), 1e-12)
    few = test.new_items
    vectors = test.vectors
    assert vectors is not None
    n_users = test.histories.shape[0]
    lists = [np.full((n_users, k), -1, dtype=np.int32) for _ in settings]
    step = params.evaluation.batch_users
    for start in range(0, n_users, step):
        rows = test.histories[start : start + step]
        scores, near = blend.score_batch(rows), models["tfidf"].score_batch(rows)
        for row in range(len(scores)):
            user, seen = start + row, rows.indices[rows.indptr[row] : rows.indptr[row + 1]]
            allowed = np.ones(scores.shape[1], dtype=np.bool_)
            allowed[seen] = False
            clicked = np.float32(params.blend.clicked) * scaled_to_best(above_lowest(scores[row], allowed))
            drawn = np.zeros_like(clicked)
            free = np.flatnonzero(allowed).astype(np.int32)
            picks, keys = sample_diverse(
                groups[free],
                popular[free],
                groups[seen],
                random_keys(day_seed(str(user), date.min), free.astype(np.uint64)),
                k=pool,
            )
            drawn[free[picks]] = keys
            for setting, found in zip(settings, lists, strict=True):
                total = (clicked + setting.diverse * drawn).astype(np.float32)
                items, values = top_k(np.where(allowed, np.maximum(total, 0), np.float32(0)), pool)
                taken = items[mmr(values, vectors[items], k, setting.relevance)]
                found[user, : len(taken)] = taken
                if setting.new_items:
                    new = top_k(np.where(allowed & few, near[row], np.float32(0)), 1)[0]
                    found[user, k - len(new) :] = new
    return lists
