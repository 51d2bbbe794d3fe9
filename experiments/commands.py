"""`python -m experiments start|stop|read|list`: compare bundles or blends on live traffic."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from database.command_line import errors_as_messages
from database.connection import connect
from database.errors import DatabaseError
from database.experiments import (
    STARTED,
    Arm,
    list_experiments,
    start_experiment,
    stop_experiment,
)
from experiments.off_policy import OffPolicy
from experiments.outcomes import OutcomeReading
from experiments.reading import ArmReading, read_all
from experiments.statistics import SampleRatio
from training.params import ParamsError, load_params
from training.params.ranking import BlendParams


def parse_arm(text: str, blend_params: BlendParams) -> Arm:
    """An arm as it is written on the command line: `name=SHARE[,bundle=ID][,epsilon=E][,blend.KEY=VALUE…]`.

    `blend.tuned.MODEL=WEIGHT`, once or more, gives all the tuned weights.

    Raises ValueError for what can't be read, and for a blend's key that params.yaml does not have.
    """
    (name, _, share), *rest = (part.partition("=") for part in text.split(","))
    arm: dict[str, Any] = {"name": name, "share": float(share)}
    blend: dict[str, Any] = {}
    for key, _, value in rest:
        if key == "bundle":
            arm["bundle_id"] = value
        elif key == "epsilon":
            arm["epsilon"] = float(value)
        elif key == "blend.weights":
            blend["weights"] = value
        elif key.startswith("blend.tuned."):
            blend.setdefault("tuned", {})[key.removeprefix("blend.tuned.")] = float(value)
        elif key.startswith("blend."):
            blend[key.removeprefix("blend.")] = float(value)
        else:
            raise ValueError(f"unknown key {key!r}: use bundle, epsilon or blend.KEY")
    blend_params.changed(blend)
    return Arm(**arm, blend=blend or None)


@click.group(help=__doc__)
def main() -> None:
    """Compare bundles or blends on live traffic."""


@main.command()
@click.argument("experiment_id")
@click.option("--kind", type=click.Choice(["ab", "shadow"]), default="ab", show_default=True)
@click.option(
    "--arm",
    "arms",
    multiple=True,
    required=True,
    help="name=SHARE,bundle=…,epsilon=…,blend.cf=…,blend.weights=tuned,blend.tuned.als=…",
)
@errors_as_messages(DatabaseError, ParamsError, ValueError)
def start(experiment_id: str, kind: Any, arms: tuple[str, ...]) -> None:
    """Start an experiment; its first arm is the control. Workers follow within seconds."""
    blend = load_params().blend
    parsed = [parse_arm(arm, blend) for arm in arms]
    with connect() as conn:
        started = start_experiment(conn, experiment_id, kind, parsed)
    click.echo(f"Started {started.experiment_id} with arms {', '.join(arm.name for arm in started.arms)}.")


@main.command()
@click.argument("experiment_id")
@click.option("--reason", required=True, help="Reason, stored with the experiment.")
@errors_as_messages(DatabaseError)
def stop(experiment_id: str, reason: str) -> None:
    """Stop an experiment; its results stay readable."""
    with connect() as conn:
        stopped = stop_experiment(conn, experiment_id, reason)
    click.echo(f"Stopped {stopped.experiment_id}: {reason}.")


@main.command("list")
def list_all() -> None:
    """List the latest experiments."""
    with connect() as conn:
        for one in list_experiments(conn, 50, kinds=STARTED):
            state = "running" if one.stopped_at is None else f"stopped: {one.stop_reason}"
            click.echo(f"{one.experiment_id}  {one.kind}  since {one.started_at:%Y-%m-%d %H:%M}  {state}")


@main.command()
@click.argument("experiment_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_as_messages(DatabaseError, ParamsError)
def read(experiment_id: str, as_json: bool) -> None:
    """Show each arm's click rate, outcomes and verdict so far; valid however often it is read."""
    params = load_params().experiments
    with connect() as conn:
        reading, unseen = read_all(conn, experiment_id, datetime.now(UTC), params)
    if as_json:
        click.echo(orjson.dumps(asdict(reading) | {"off_policy": unseen and asdict(unseen)}).decode())
        return
    if reading.ratio is not None and reading.ratio.mismatch:
        click.echo(describe_mismatch(reading.ratio))
    for arm in reading.arms:
        click.echo(describe(arm))
        for name, outcome in arm.outcomes.items():
            click.echo(f"  {name}: {describe_outcome(outcome)}")
        for name, rate in arm.lists.items():
            click.echo(f"  {name}: {rate.value:.4f}, {rate.clicked} clicks on {rate.shown} items seen")
    if unseen is not None:
        click.echo(describe_shadow(unseen))
        for warning in unseen.warnings:
            click.echo(f"  {warning}")


def describe(arm: ArmReading) -> str:
    """An arm on one line."""
    rate = arm.rate
    line = (
        f"{arm.name}: {rate.value:.4f} [{arm.low:.4f}, {arm.high:.4f}], "
        f"{rate.clicked} clicks on {rate.shown} items seen by {rate.users} users"
    )
    if arm.difference is None:
        return line
    d = arm.difference
    harmed = f" (makes {', '.join(arm.harmed)} worse)" if arm.harmed else ""
    waits = f"; {arm.waits}" if arm.waits else ""
    return (
        f"{line}; {arm.verdict}{harmed}: {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}], "
        f"always-valid p {d.p_value:.3g}{waits}"
    )


def describe_outcome(outcome: OutcomeReading) -> str:
    """An outcome of an arm on one line."""
    mean = f"{outcome.mean:.4f} [{outcome.low:.4f}, {outcome.high:.4f}]"
    line = f"{mean}, {outcome.active} of {outcome.users} users"
    d = outcome.difference
    if d is None:
        return line
    removed = f", {outcome.variance_reduction:.0%} of the variance removed by the days before"
    return f"{line}; {d.verdict}: {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]{removed}"


def describe_mismatch(ratio: SampleRatio) -> str:
    """Why there is no verdict."""
    pairs = zip(ratio.users, ratio.expected, strict=True)
    found = ", ".join(f"{users} (expected {expected:.0f})" for users, expected in pairs)
    return (
        f"No verdict: the arms do not have their shares of the users: {found}; "
        f"always-valid p {ratio.p_value:.3g}. Look for an arm whose bundle does not load (/status) and for "
        "lost impressions."
    )


def describe_shadow(unseen: OffPolicy) -> str:
    """What the lists of a shadow arm would have earned, on one line."""
    interval = "" if unseen.low is None else f" [{unseen.low:.4f}, {unseen.high:.4f}]"
    return (
        f"estimated click rate of the shadow: {unseen.value:.4f}{interval}, "
        f"of the shown lists: {unseen.logged:.4f}; mean weight {unseen.mean_weight:.2f} (1 is full support)"
    )


if __name__ == "__main__":
    main()
