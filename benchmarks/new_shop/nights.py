"""The nights of a shop, in this process: the stages of dvc.yaml, the gate, and the deployment.

DVC, MLflow and Airflow are left out; the stages, the store, the gate and its decisions in PostgreSQL are
real.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.new_shop.shop import Customers, Event, write_snapshot
from database import deployments
from database.gate_decisions import record_decision
from database.settings import REPOSITORY, Settings
from training.data.workspace import Workspace, replaced
from training.models.registry import names
from training.params import Params, load_params
from training.pipeline.stages import run_stage
from training.pipeline.stages.evaluate import evaluate_rankers
from training.release.bundle import store_bundle
from training.release.champion import for_later_nights, read_champion
from training.release.comparison import ComparisonParams, compare_with_champion
from training.release.gate import Decision, decide
from training.release.measurements import ChallengerReport, Comparison

SMALL: dict[str, dict[str, Any]] = {
    "als": {"factors": 16, "iterations": 5},
    "nmf": {"factors": 8, "iterations": 5},
    "fpgrowth": {"min_support_baskets": 5},
    "evaluation": {"bootstrap_samples": 200},
    "gate": {"smoke_queries": 5, "max_smoke_ms": 5000},
}
"""Params that make a night of a small shop short, on a busy machine too; all others are the shipped ones."""


@dataclass(frozen=True)
class World:
    """Where the nights are played."""

    settings: Settings
    """They name the workspace, an empty folder, and the store."""
    conn: Connection
    """To a migrated database without deployments."""
    events: Sequence[Sequence[Event]]
    """Of each day."""
    customers: Customers
    """Who made them."""


@dataclass(frozen=True)
class Night:
    """What one night found."""

    day: int
    test_days: float
    warm_users: int
    """Test users with a history."""
    decision: Decision
    blend: Comparison
    """With the champion's blend, or the baseline."""
    incomparable: str | None
    leaked: bool
    """Whether the champion was tested on events that its evaluation models had seen; it must never be."""


def write_params(workspace: Workspace, changes: Mapping[str, Mapping[str, Any]]) -> Params:
    """Put the shipped params into the workspace, with some sections' keys changed."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in changes.items():
        content[section] |= values
    workspace.params_file.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_params(workspace.params_file)


def play(
    world: World, nights: Sequence[int], changes: Mapping[int, Mapping[str, Mapping[str, Any]]]
) -> Iterator[Night]:
    """Train, judge and deploy on each of these nights, the first of which is 1.

    Args:
        world: where.
        nights: numbers of days, ascending, after each of which there is a night.
        changes: number of a night → params that are changed from then on.
    """
    workspace = Workspace(world.settings.workspace)
    made: dict[str, dict[str, Any]] = {section: dict(values) for section, values in SMALL.items()}
    cuts: dict[str, int | None] = {}
    for night in nights:
        for since, sections in changes.items():
            if since <= night:
                for section, values in sections.items():
                    made[section] = made.get(section, {}) | dict(values)
        params = write_params(workspace, made)
        days = [list(day) for day in world.events[:night]]
        learn(workspace, days, world.customers, params)
        report, decision = judge(world, workspace, params, days[-1][-1].at)
        blend = next(c for c in report.comparisons if c.challenger == "blend")
        champion_cut = cuts.get(report.champion_id or "")
        facts = report.holdout
        assert facts is not None
        tested = report.champion_id is not None and report.incomparable is None
        leaked = tested and (champion_cut is None or facts.start is None or champion_cut > facts.start)
        cuts[report.bundle_id] = facts.start
        yield Night(night, facts.days, facts.warm_users, decision, blend, report.incomparable, leaked)


def learn(workspace: Workspace, days: list[list[Event]], customers: Customers, params: Params) -> None:
    """Write the snapshot, and run every stage but the data checks and the tables and plots for people."""
    with replaced(workspace.snapshot) as folder:
        write_snapshot(days, customers, params.embeddings.model, folder)
    content = hashlib.md5(usedforsecurity=False)
    for path in sorted(workspace.snapshot.iterdir()):
        content.update(path.read_bytes())
    pointer = {"outs": [{"md5": f"{content.hexdigest()}.dir", "path": "snapshot"}]}
    workspace.snapshot_pointer.write_text(yaml.safe_dump(pointer))
    for stage in ("prepare", *names(scope="bundle")):
        run_stage(stage, workspace)
    evaluate_rankers(workspace, params)
    run_stage("bundle", workspace)


def judge(
    world: World, workspace: Workspace, params: Params, now: datetime
) -> tuple[ChallengerReport, Decision]:
    """Decide as the step `gate` does, at this moment of the shop; deploy what was accepted."""
    settings, conn = world.settings, world.conn
    champion = read_champion(conn, params.gate, now)
    sections = ComparisonParams(params.gate, params.split, params.evaluation, params.seed)
    report = compare_with_champion(settings, workspace, sections, champion)
    decision = decide(report, params.gate)
    number = record_decision(
        conn,
        decision.bundle_id,
        decision.champion_id,
        decision.accepted,
        decision.as_dict() | for_later_nights(report),
    )
    with conn.cursor() as cursor:
        cursor.execute("update gate_decisions set decided_at = %s where gate_decision_id = %s", (now, number))
    if decision.accepted:
        stored = store_bundle(settings, workspace.bundle, {})
        deployments.activate(conn, stored.bundle_id, stored.tag, stored.manifest, "night")
    conn.commit()
    return report, decision
