"""`python -m watch guard`: what the guard finds in this shop, and what it decided last."""

from datetime import UTC, datetime, timedelta

import click

from database.connection import connect
from database.monitoring import guard_events
from experiments.reading import click_rate
from training.params import load_params
from watch.guard_power import GuardPower, guard_power


@click.group(help=__doc__)
def main() -> None:
    """Look at what watches the bundle in service."""


@main.command()
@click.option("--events", default=5, show_default=True, help="Number of decisions to show.")
def guard(events: int) -> None:
    """Show the smallest drop that the guard finds in this shop, and its latest decisions."""
    params = load_params()
    now = datetime.now(UTC)
    since = now - timedelta(days=params.guard.holdback_days)
    with connect() as conn:
        recent = click_rate(conn, None, since, now, params.experiments.attribution(), clicks_until=now)
        latest = guard_events(conn, events)
    for line in describe_power(guard_power(recent, params.guard), params.guard.holdback_days):
        click.echo(line)
    for event in latest:
        done = "rolled back" if event.rolled_back else event.verdict
        click.echo(f"{event.decided_at:%Y-%m-%d %H:%M}  {done}: {event.report['reason']}")


def describe_power(power: GuardPower, days: float) -> list[str]:
    """The power of the guard, a sentence a line."""
    lines = [
        f"{power.users} users were shown lists in the last {days:g} days.",
        "Smallest drop of the click rate that is rolled back in 80 % of cases:",
    ]
    if power.holdback is None:
        lines.append("  no holdback: it is off, or would have too few users")
    else:
        lines.append(f"  {power.holdback:.0%} with a holdback ({power.held} users)")
    lines.append(f"  {power.days:.0%} by days, with earlier weeks")
    lines.append(f"  {power.first_week:.0%} by days, in a shop's first week")
    return lines


if __name__ == "__main__":
    main()
