"""The bundles that there are and were, for people: a list, and two of them side by side."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.deployments import Deployment
from database.gate_decisions import GateDecision, decisions
from database.rollback import rollback_target, taken_back_at
from database.settings import Settings
from training.errors import TrainingError
from training.markdown import table
from training.release.bundle import list_stored
from training.tracking.run import flatten

_MANY = 1000
"""Deployments and decisions among which bundles are looked for."""


class UnknownBundleError(TrainingError):
    """No bundle of that id was ever assembled here."""

    def __init__(self, bundle_id: str) -> None:
        super().__init__(f"there is no bundle {bundle_id}; `python -m training.release bundles` lists them")


@dataclass(frozen=True)
class KnownBundle:
    """A bundle that was judged, served or stored."""

    bundle_id: str
    state: str
    """In words: in service, previous, rolled back, served, accepted, rejected."""
    stored: bool
    """Whether its files are in the store, so that it can be promoted."""
    manifest: dict[str, Any]
    """Of a bundle that was rejected only its `watermark` and `params`."""
    decision: GateDecision | None
    """The gate's last one on it."""
    deployed_at: datetime | None
    """When it last came into service."""

    @property
    def learned_from(self) -> str:
        """Time of the newest row of its snapshot (ISO 8601); empty where no manifest is kept."""
        return str(self.manifest.get("created_at", ""))


def list_bundles(conn: Connection, settings: Settings) -> list[KnownBundle]:
    """Every bundle that is known, the newest id first: ids begin with the time of the snapshot."""
    stored = {bundle.bundle_id: bundle.manifest for bundle in list_stored(settings)}
    served: dict[str, Deployment] = {}
    for each in deployments.history(conn, _MANY):
        served.setdefault(each.bundle_id, each)
    judged: dict[str, GateDecision] = {}
    for decision in decisions(conn, _MANY):
        judged.setdefault(decision.bundle_id, decision)
    serving = deployments.current(conn)
    before = rollback_target(conn, serving)
    found = []
    for bundle_id in sorted(stored.keys() | served.keys() | judged.keys(), reverse=True):
        deployment, verdict = served.get(bundle_id), judged.get(bundle_id)
        if serving is not None and bundle_id == serving.bundle_id:
            state = "in service"
        elif before is not None and bundle_id == before.bundle_id:
            state = "previous"
        elif deployment is not None:
            state = "rolled back" if taken_back_at(conn, bundle_id) else "served"
        else:
            state = "accepted" if verdict is None or verdict.accepted else "rejected"
        manifest = stored.get(bundle_id) or (deployment.manifest if deployment else None)
        if manifest is None and verdict is not None:
            manifest = verdict.report.get("manifest")
        when = deployment.deployed_at if deployment else None
        found.append(KnownBundle(bundle_id, state, bundle_id in stored, manifest or {}, verdict, when))
    return found


def find_bundle(bundles: list[KnownBundle], bundle_id: str) -> KnownBundle:
    """The one of that id. Raises UnknownBundleError when there is none."""
    for bundle in bundles:
        if bundle.bundle_id == bundle_id:
            return bundle
    raise UnknownBundleError(bundle_id)


def describe_bundles(bundles: list[KnownBundle]) -> str:
    """The list as Markdown."""
    rows = []
    for bundle in bundles:
        deployed = f"{bundle.deployed_at:%Y-%m-%d %H:%M}" if bundle.deployed_at else ""
        stored = "yes" if bundle.stored else "no"
        learned = bundle.learned_from[:16]
        rows.append([bundle.bundle_id, bundle.state, learned, deployed, stored, _gate(bundle)])
    return table(["bundle", "state", "data up to", "last deployed", "stored", "gate"], rows)


def compare_bundles(one: KnownBundle, other: KnownBundle) -> str:
    """Two bundles side by side: origin, gate, params that differ, metrics of each model."""
    pair = (one, other)
    facts = [
        ("state", *(bundle.state for bundle in pair)),
        ("data up to", *(bundle.learned_from for bundle in pair)),
        ("snapshot", *(str(bundle.manifest.get("snapshot_hash", "")) for bundle in pair)),
        ("code", *(str(bundle.manifest.get("git_commit", ""))[:12] for bundle in pair)),
        ("gate", *(_gate(bundle) for bundle in pair)),
    ]
    head = ["", one.bundle_id, other.bundle_id]
    parts = [table(head, facts)]
    params = [flatten(bundle.manifest.get("params", {})) for bundle in pair]
    names = sorted(params[0].keys() | params[1].keys())
    changed = [
        (name, *(found.get(name, "") for found in params))
        for name in names
        if params[0].get(name) != params[1].get(name)
    ]
    parts.append(table(["param", *head[1:]], changed) if changed else "Their params are the same.\n")
    metrics = [_metrics(bundle) for bundle in pair]
    measured = sorted(metrics[0].keys() | metrics[1].keys())
    if measured:
        rows = [(name, *(_figure(found.get(name)) for found in metrics)) for name in measured]
        parts.append(table(["metric", *head[1:]], rows))
    if one.manifest.get("snapshot_hash") != other.manifest.get("snapshot_hash"):
        parts.append(
            "They were tested on different days, so these metrics differ by more than the bundles do. "
            "Only the gate compares a bundle with the one in service on the same holdout.\n"
        )
    return "\n".join(parts)


def _gate(bundle: KnownBundle) -> str:
    decision = bundle.decision
    if decision is None:
        return ""
    reasons = "; ".join(decision.report.get("reasons", []))
    if not decision.accepted:
        return f"rejected: {reasons}"
    return f"accepted although {reasons}" if reasons else "accepted"


def _metrics(bundle: KnownBundle) -> dict[str, float]:
    models = bundle.manifest.get("models", {})
    return {
        f"{name} {metric}": float(value)
        for name, entry in models.items()
        for metric, value in entry.get("metrics", {}).items()
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
