"""The content of /status."""

from datetime import datetime
from typing import Any

import numpy as np

from database.counts import Counts
from serving.bundle.deployed import Deployed
from serving.bundle.loading import PlacedBundle
from serving.catalogue.catalogue import Catalogue
from serving.components import Components

_NUMBERS = ("n_ratings", "n_users", "n_products", "avg_rating")


def describe(components: Components, counted: tuple[datetime, Counts] | None) -> dict[str, Any]:
    """Database counts and when they were made, each model's state and size, bundle, trending, feed."""
    feed, deployed, index = components.feed, components.deployed, components.index
    available = components.database.available
    placed = deployed.bundle
    return {
        "database": _database(available, counted, index.catalogue),
        "matrix_factorization": _factorization(placed),
        "similarity_search": {
            "status": "trained" if len(index.vectors) else "not_trained",
            "n_products": index.vectors.count(index.catalogue.mask(frozenset({"product"}))),
            "n_vectors": len(index.vectors),
            "embedding_dimension": index.vectors.dimension,
            "model": components.encoder.name,
            "encoder": "ready" if components.encoder.available else "unavailable",
            "vectors_since_bundle": index.vectors.overlaid,
            "items_without_vector": components.vectors.left,
        },
        "models": {} if placed is None else _models(placed),
        "bundle": _bundle(placed, deployed),
        "experiments": _experiments(components),
        "trending": {"version": feed.trending.version, "items": len(feed.trending.scores)},
        "feed": {
            "applied_seq": feed.applied,
            "database_seq": feed.known,
            "lag": feed.known - feed.applied,
            "database_available": available,
        },
    }


def _database(
    available: bool, counted: tuple[datetime, Counts] | None, catalogue: Catalogue
) -> dict[str, Any]:
    """Rows of the tables. Without a rating by a user, the mean is that of the products' own ratings.

    Numbers are null while the database is away, and until they could be counted for the first time.
    """
    if not available or counted is None:
        return {"status": "ok" if available else "unavailable"} | dict.fromkeys(_NUMBERS)
    counted_at, counts = counted
    average = _catalogue_rating(catalogue) if counts.average_rating is None else counts.average_rating
    return {
        "status": "ok",
        "n_ratings": counts.ratings,
        "n_users": counts.users,
        "n_products": counts.products,
        "avg_rating": None if average is None else round(average, 2),
        "n_interactions": counts.interactions,
        "n_items": counts.items,
        "n_bare_items": counts.bare_items,
        "n_embeddings": counts.embeddings,
        "estimated": list(counts.estimated),
        "counted_at": counted_at.isoformat(),
    }


def _catalogue_rating(catalogue: Catalogue) -> float | None:
    """Mean of the ratings that products came with, each as often as it was given; None without any."""
    number = catalogue.column("rating_count")
    stars = catalogue.column("rating")
    rated = (number > 0) & ~np.isnan(stars) & catalogue.column("alive")
    total = int(number[rated].sum())
    return float((stars[rated] * number[rated]).sum()) / total if total else None


def _factorization(placed: PlacedBundle | None) -> dict[str, Any]:
    if placed is None:
        return {"status": "not_trained", "n_users": 0, "n_items": 0, "n_factors": 0}
    return {
        "status": "trained",
        "n_users": len(placed.bundle.users),
        "n_items": len(placed.bundle.items),
        "n_factors": int(placed.models.als.item_factors.shape[1]),
    }


_NOT_CURRENT = "not the deployed bundle: it is loading or was rejected (see refused)"
_HEADLINES = ("ndcg@10", "recall@20", "index_recall_at_10")


def _models(placed: PlacedBundle) -> dict[str, Any]:
    """Each model in a few numbers; the rest stands in its MLflow run."""
    found = {}
    for name, details in placed.bundle.manifest.models.items():
        metrics = details.get("metrics", {})
        found[name] = {
            "status": "trained",
            "mlflow_run_id": details.get("mlflow_run_id"),
            "version": details.get("version"),
            "bytes": details.get("sizes", {}).get("bytes"),
            "metrics": {key: metrics[key] for key in _HEADLINES if key in metrics},
        }
    return found


def _experiments(components: Components) -> dict[str, Any]:
    """What runs on this worker, and the arms' bundles that it refused: their users get the deployed one."""
    refused = [
        {
            "bundle_id": each.bundle_id,
            "reason": each.reason,
            "refused_at": each.refused_at.isoformat(),
            "retry_at": each.retry_at.isoformat(),
        }
        for each in components.arms.refused.values()
    ]
    return {"running": [each.experiment_id for each in components.experiments.running], "refused": refused}


def _bundle(placed: PlacedBundle | None, deployed: Deployed) -> dict[str, Any]:
    answers: dict[str, Any] = {"bundle_id": "none", "status": deployed.lacking}
    if placed is not None:
        manifest, deployment = placed.bundle.manifest, placed.loaded.deployment
        current = deployment.deployment_id == deployed.wanted
        answers = {
            "bundle_id": placed.bundle_id,
            "status": "current" if current else _NOT_CURRENT,
            "deployment_id": deployment.deployment_id,
            "tag": deployment.bundle_tag,
            "reason": deployment.reason,
            "deployed_at": deployment.deployed_at.isoformat(),
            "created_at": manifest.created_at,
            "watermark": {
                "catalogue_seq": manifest.watermark.catalogue_seq,
                "interaction_id": manifest.watermark.interaction_id,
            },
            "snapshot_hash": manifest.snapshot_hash,
            "git_commit": manifest.git_commit,
        }
    refused = [
        {
            "deployment_id": each.deployment_id,
            "bundle_id": each.bundle_id,
            "reason": each.reason,
            "refused_at": each.refused_at.isoformat(),
            "attempts": each.attempts,
            "retry_at": each.retry_at.isoformat(),
        }
        for each in deployed.refused.values()
    ]
    return answers | {"wanted_deployment_id": deployed.wanted, "refused": refused}
