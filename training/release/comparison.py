"""The figures that the gate decides from: challenger and champion on the same holdout.

Both sides are the models fitted on their training parts only. The champion's lie in its bundle; they
are asked with the new holdout's histories, translated into the champion's own item indexes. One whose
holdout began later than the challenger's has seen part of the test, and is not compared with.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from database.deployments import Deployment
from database.settings import Settings
from training.data.prepared import Prepared
from training.data.workspace import Workspace
from training.evaluation.holdout import Holdout, evaluate_ranker, load_metrics, load_per_user, open_holdout
from training.evaluation.intervals import Estimate, bonferroni, compare
from training.evaluation.ranking import Evaluation, Ranker
from training.models.blend import BLEND, CONTENT_MODEL, Blend
from training.models.bundle import BundleError, read_manifest
from training.models.core.base import Model
from training.models.core.storage import ModelFileError
from training.models.core.types import Csr, DoubleArray, FloatArray, IntArray
from training.models.core.vocabulary import Vocabulary
from training.models.embeddings import Embeddings
from training.models.registry import load_model
from training.params.learning import EvaluationParams, SplitParams
from training.params.operating import GateParams
from training.release.bundle import EVALUATION, StoredBundle, find_stored, size_mb
from training.release.champion import Champion
from training.release.holdouts import facts_of, incomparable
from training.release.measurements import ChallengerReport, Comparison, CoverageComparison
from training.release.smoke import smoke_test
from training.release.volume import Volume, losses, read_volume

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComparisonParams:
    """The sections of params.yaml that decide how two bundles are compared."""

    gate: GateParams
    split: SplitParams
    evaluation: EvaluationParams
    seed: int


@dataclass(frozen=True)
class Reindexed:
    """A model asked in another snapshot's item indexes; items that it does not know get no score."""

    model: Model
    index_of: IntArray
    """int32[n_items of the other snapshot]: the model's index of each item, -1 when unknown."""

    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items of the other snapshot for histories in its indexes, float32[B, n_items]."""
        rows = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
        columns = self.index_of[histories.indices]
        known = columns >= 0
        shape = (histories.shape[0], self.model.n_items)
        known_part = sparse.csr_array((histories.data[known], (rows[known], columns[known])), shape=shape)
        found = self.model.score_batch(known_part)
        scores = np.zeros((shape[0], len(self.index_of)), dtype=np.float32)
        common = np.flatnonzero(self.index_of >= 0)
        scores[:, common] = found[:, self.index_of[common]]
        return scores


def compare_with_champion(
    settings: Settings, workspace: Workspace, params: ComparisonParams, champion: Champion | None
) -> ChallengerReport:
    """Evaluate the assembled bundle of the workspace, beside `champion` where there is one.

    A champion that is lost, damaged or of another version of the models is no reason to stop learning, nor is
    one that can't be tested on this holdout: then the baseline takes its place, as for the first bundle, and
    the report says so.
    """
    manifest = read_manifest(workspace.bundle)
    holdout = open_holdout(Prepared.load(workspace.prepared), params.split, params.seed)
    volume = read_volume(workspace.snapshot)
    theirs: dict[str, Evaluation] = {}
    error_text, reason, measured = None, None, False
    if champion is not None:
        facts = facts_of(
            champion.deployment.manifest, champion.report, holdout.facts, params.gate.least_test_users
        )
        measured = facts.warm_users >= params.gate.least_test_users
        reason = incomparable(holdout.facts, facts)
        try:
            stored = _find(settings, champion.deployment)
            if reason is None:
                theirs = _evaluate_champion(stored, workspace, params, holdout)
        except (BundleError, ModelFileError, OSError, KeyError, ValueError) as error:
            error_text = f"{type(error).__name__}: {error}"
            logger.warning("The champion %s can't be evaluated: %s", champion.bundle_id, error_text)
    against_baseline = champion is None or error_text is not None or reason is not None
    p95, errors = smoke_test(workspace.bundle, params.gate.smoke_queries, params.seed)
    return ChallengerReport(
        bundle_id=manifest.bundle_id,
        champion_id=champion.bundle_id if champion else None,
        comparisons=compare_models(workspace, None if against_baseline else theirs, holdout, params),
        coverage=_coverage(workspace, theirs, holdout, params),
        cold=compare_cold(workspace, theirs, holdout, params),
        index_recall=_index_recall(workspace),
        size_mb=size_mb(workspace.bundle),
        smoke_p95_ms=p95,
        smoke_errors=tuple(errors),
        champion_error=error_text,
        incomparable=reason,
        champion_measured=measured,
        lost=_lost(volume, champion, params.gate),
        earlier=champion.earlier if champion else (),
        holdout=holdout.facts,
        volume=volume,
    )


def _find(settings: Settings, champion: Deployment) -> StoredBundle:
    """The champion in the store. Raises BundleError when it is no longer there, or not whole."""
    stored = find_stored(settings, champion.bundle_id)
    if stored is None:
        raise BundleError(
            Path(champion.bundle_tag), "the champion is incomplete in the store, or from another version"
        )
    return stored


def _evaluate_champion(
    stored: StoredBundle, workspace: Workspace, params: ComparisonParams, holdout: Holdout
) -> dict[str, Evaluation]:
    """model → its evaluation on the new holdout, for the compared models and the baseline.

    Raises ModelFileError, OSError, KeyError, ValueError when its files are damaged, or of another version.
    """
    items = Vocabulary.load(workspace.prepared / "items.npy")
    theirs = Vocabulary.load(stored.path / "items.npy")
    index_of = theirs.indexes(items.decode(np.arange(len(items), dtype=np.int32)))
    weights = stored.manifest["params"]["blend"]["tuned"]
    asked = dict.fromkeys((*params.gate.compared, params.gate.baseline, *weights, CONTENT_MODEL))
    rankers: dict[str, Ranker] = {
        name: Reindexed(load_model(name, folder), index_of)
        for name in asked
        if (folder := stored.path / EVALUATION / name).is_dir()
    }
    rankers[BLEND] = Blend(rankers, weights, holdout.test.new_items)
    compared = [name for name in (*params.gate.compared, params.gate.baseline) if name in rankers]
    return {
        name: evaluate_ranker(rankers[name], holdout, params.evaluation, params.seed)
        for name in dict.fromkeys(compared)
    }


def _compare(
    names: tuple[str, str], mine: DoubleArray, theirs: DoubleArray, params: ComparisonParams
) -> Comparison:
    metric = params.gate.metric
    if not len(mine) or len(mine) != len(theirs):
        return Comparison(*names, metric, 0.0, 0.0, 0.0, 0)
    # The compared models and the cold users are so many comparisons, which share the error.
    confidence = bonferroni(params.gate.confidence, len(params.gate.compared) + 1)
    result = compare(mine, theirs, params.evaluation.bootstrap_samples, params.seed, confidence)
    reference = float(np.nanmean(theirs))
    return Comparison(*names, metric, result.difference, result.low, result.high, result.users, reference)


def compare_models(
    workspace: Workspace, theirs: Mapping[str, Evaluation] | None, holdout: Holdout, params: ComparisonParams
) -> tuple[Comparison, ...]:
    """Each compared model against the champion's of its name, on the users with a history.

    Without anything of `theirs` (None), against tonight's baseline.
    """
    metric, baseline = params.gate.metric, params.gate.baseline
    found = []
    for name in params.gate.compared:
        mine = load_per_user(workspace, name, metric, "warm")
        if theirs is None:
            other = load_per_user(workspace, baseline, metric, "warm")
            found.append(_compare((name, baseline), mine, other, params))
        else:
            values = theirs[name].per_user.get(metric) if name in theirs else None
            other = np.zeros(0) if values is None else values[holdout.warm]
            found.append(_compare((name, f"champion's {name}"), mine, other, params))
    return tuple(found)


def _coverage(
    workspace: Workspace, theirs: Mapping[str, Evaluation], holdout: Holdout, params: ComparisonParams
) -> CoverageComparison | None:
    """Of the blend's lists: a model by itself serves nobody."""
    key = f"coverage@{params.gate.metric.rpartition('@')[2]}"
    mine = load_metrics(workspace, BLEND)["slices"].get("all", {}).get(key)
    if mine is None or BLEND not in theirs or not theirs[BLEND].slices:
        return None
    return CoverageComparison(Estimate(**mine), theirs[BLEND].slices["all"][key], holdout.facts.users)


def _lost(volume: Volume, champion: Champion | None, limits: GateParams) -> tuple[str, ...] | None:
    """What the snapshot lost since the champion's; None if that is not known, () without a champion."""
    if champion is None:
        return ()
    if champion.report is None or "volume" not in champion.report:
        return None
    before = Volume(**champion.report["volume"])
    return tuple(losses(volume, before, limits.max_volume_drop, limits.max_share_drop))


def compare_cold(
    workspace: Workspace, theirs: Mapping[str, Evaluation], holdout: Holdout, params: ComparisonParams
) -> Comparison | None:
    """What users without history get is the baseline: its lists for the same of them, here and there."""
    baseline, metric = params.gate.baseline, params.gate.metric
    if baseline not in theirs:
        return None
    names = (f"{baseline} for users without history", "the champion's")
    values = theirs[baseline].per_user.get(metric)
    other = np.zeros(0) if values is None else values[~holdout.warm]
    return _compare(names, load_per_user(workspace, baseline, metric, "cold"), other, params)


def _index_recall(workspace: Workspace) -> float | None:
    model = Embeddings.load(workspace.models / Embeddings.name)
    return model.report.recall_at_10 if model.vectors.any() else None
