"""`python -m watch guard`: what the guard finds in this shop, and what it decided last.

`python -m watch lists`: what each list brought.
"""

from datetime import UTC, datetime, timedelta

import click

from database.command_line import errors_as_messages
from database.connection import connect
from database.list_outcomes import ListOutcomes, list_outcomes
from database.monitoring import guard_events
from training.errors import TrainingError
from training.params import load_params
from watch.guard_power import GuardPower, power_of_shop


@click.group(help=__doc__)
def main() -> None:
    """Look at what watches the bundle in service."""


@main.command()
@click.option("--events", default=5, show_default=True, help="Number of decisions to show.")
@errors_as_messages(TrainingError)
def guard(events: int) -> None:
    """Show the smallest drop that the guard finds in this shop, and its latest decisions."""
    params = load_params()
    with connect() as conn:
        power = power_of_shop(conn, params, datetime.now(UTC))
        latest = guard_events(conn, events)
    for line in describe_power(power, params.guard.holdback_days):
        click.echo(line)
    for event in latest:
        done = "rolled back" if event.rolled_back else event.verdict
        click.echo(f"{event.decided_at:%Y-%m-%d %H:%M}  {done}: {event.report['reason']}")


@main.command()
@click.option("--hours", default=1.0, show_default=True, help="How long before --until.")
@click.option("--until", type=click.DateTime(), default=None, help="End of the period, in UTC; now.")
@errors_as_messages(TrainingError)
def lists(hours: float, until: datetime | None) -> None:
    """Show what the lists of a period have brought: clicks, purchases, revenue."""
    now = datetime.now(UTC)
    end = now if until is None else until.replace(tzinfo=UTC)
    params = load_params()
    with connect() as conn:
        since = end - timedelta(hours=hours)
        found = list_outcomes(conn, since, end, now, params.experiments.attribution())
    for line in describe_lists(found):
        click.echo(line)


def describe_lists(found: list[ListOutcomes]) -> list[str]:
    """What lists brought, as a table; a sentence where none was shown."""
    if not found:
        return ["No list was shown in this period."]
    names = ("shown", "seen", "clicks", "rate", "bought", "conv.", "revenue")
    widths = (9, 9, 8, 7, 7, 7, 12)
    head = f"{'list':24} " + " ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    return [head] + [
        f"{each.name:24} {each.shown:9,} {each.items:9,} {each.clicks:8,} {each.click_rate or 0:7.2%}"
        f" {each.purchases:7,} {each.conversion or 0:7.2%} {each.revenue:12,.2f}"
        for each in found
    ]


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
