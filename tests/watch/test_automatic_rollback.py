"""The guard takes back what is clearly worse, once, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, execute_values

from database import rollback
from database.connection import connect
from database.deployments import activate, current, previous
from database.experiments import get_experiment
from database.holdback import HoldbackPlan, begin_holdback
from database.monitoring import guard_events
from database.rollback import ROLLBACK, InTransaction
from database.settings import REPOSITORY, Settings, get_settings
from training.params import load_params
from watch.__main__ import main
from watch.automatic_rollback import compare_with_previous, roll_back_if_worse

PARAMS = load_params(REPOSITORY / "params.yaml")
CLICKS = PARAMS.experiments.attribution()
START = datetime.now(UTC)
NOW = START + timedelta(hours=6)


def take_back(settings: Settings, reason: str, expected: str, in_transaction: InTransaction) -> None:
    """A real rollback, of bundles that are always whole."""
    with connect(settings) as conn:
        rollback.roll_back(conn, reason, lambda target: True, expected, in_transaction)


def deploy(conn: Connection, bundle: str, reason: str = "daily training", days: float = 0) -> None:
    """Deploy, `days` before now."""
    made = activate(conn, bundle, f"shortlist:{bundle}", {}, reason)
    with conn.cursor() as cursor:
        cursor.execute(
            "update deployments set deployed_at = %s where deployment_id = %s",
            (START - timedelta(days=days), made.deployment_id),
        )
    conn.commit()


def show(
    conn: Connection,
    bundle: str,
    users: int,
    clicked: int,
    hours: float = 1,
    arm: Any = None,
    experiment: str = "test",
) -> None:
    """Show ten items to each user; so many users click on one."""
    moment = START + timedelta(hours=hours)
    items = [f"i{n}" for n in range(10)]
    name = f"{bundle}{hours}{arm}"
    test = arm and experiment
    lists: list[Any] = [
        (f"{name}{n}", True, "home", f"{name}-{n}", items, [1.0] * 10, bundle, moment, test, arm)
        for n in range(users)
    ]
    clicks = [(f"{name}-{n}", "click", "i3", moment + timedelta(minutes=5), "test") for n in range(clicked)]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            """insert into impression_lists (request_id, shown, endpoint, user_id, item_ids, propensities,
            bundle_id, shown_at, experiment_id, arm) values %s""",
            lists,
        )
        if clicks:
            execute_values(
                cursor,
                "insert into interactions (user_id, event_type, item_id, occurred_at, source) values %s",
                clicks,
            )
    conn.commit()


def arms_run(conn: Connection, *arms: dict[str, Any]) -> None:
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into experiments (experiment_id, kind, arms) values ('test', 'ab', %s)",
            (Json(list(arms)),),
        )
    conn.commit()


@pytest.fixture
def two_bundles(connection: Connection) -> Connection:
    """`old` served the day before `new`."""
    deploy(connection, "old", days=1)
    show(connection, "old", users=2000, clicked=1000, hours=-23)
    deploy(connection, "new")
    return connection


def test_a_clearly_worse_bundle_is_taken_back_in_one_transaction(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=200)
    seen = roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    assert seen is not None and seen.worse
    of_six_seen = pytest.approx((0.01 * 10 / 6, 0.05 * 10 / 6))
    assert (seen.new.value, seen.old.value) == of_six_seen
    serving = current(two_bundles)
    assert serving is not None and serving.bundle_id == "old"
    assert "0.0167 of bundle new against 0.0833 of old: -80." in serving.reason
    (event,) = guard_events(two_bundles, 10)
    assert (event.verdict, event.rolled_back, event.report["resting"]) == ("worse", True, False)
    two_bundles.rollback()
    assert roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back) is None, (
        "it came by a rollback"
    )


def test_the_guard_rests_after_a_rollback(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=200)
    roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    deploy(two_bundles, "third", days=-2 / 24)
    show(two_bundles, "old", users=2000, clicked=1000, hours=1.5)
    show(two_bundles, "third", users=2000, clicked=200, hours=3)
    roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW + timedelta(hours=1), take_back)
    later = NOW + timedelta(hours=PARAMS.guard.cooldown_hours + 1)
    roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, later, take_back)
    events = guard_events(two_bundles, 10)
    assert [(each.bundle_id, each.rolled_back) for each in events] == [
        ("third", True),
        ("third", False),
        ("new", True),
    ]
    assert events[1].report["resting"] is True


def test_a_bundle_that_was_deployed_meanwhile_stays(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=200)

    def too_late(settings: Settings, reason: str, expected: str, in_transaction: InTransaction) -> None:
        deploy(two_bundles, "newer")
        take_back(settings, reason, expected, in_transaction)

    seen = roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, too_late)
    assert seen is not None and seen.worse
    serving = current(two_bundles)
    assert serving is not None and serving.bundle_id == "newer"
    assert guard_events(two_bundles, 10) == []


@pytest.mark.parametrize("clicked", [980, 1500])
def test_as_good_or_better_stays(two_bundles: Connection, clicked: int) -> None:
    show(two_bundles, "new", users=2000, clicked=clicked)
    seen = roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    assert seen is not None and not seen.worse
    serving = current(two_bundles)
    assert serving is not None and serving.bundle_id == "new"


def test_what_is_usual_for_the_day_is_no_fault_of_the_bundle(two_bundles: Connection) -> None:
    """Every week the second day's rate is a fifth of the first's; once it is a fiftieth."""
    for week in (1, 2, 3):
        show(two_bundles, "older", users=2000, clicked=1000, hours=-23 - 168 * week)
        show(two_bundles, "older", users=2000, clicked=200, hours=1 - 168 * week)
    show(two_bundles, "new", users=2000, clicked=200)
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and (seen.weeks, seen.worse) == (3, False)
    assert seen.change.value == pytest.approx(0, abs=0.01)
    assert "compared with 3 earlier weeks" in seen.reason

    show(two_bundles, "new", users=2000, clicked=0, hours=2)
    show(two_bundles, "new", users=2000, clicked=0, hours=3)
    show(two_bundles, "new", users=4000, clicked=0, hours=4)
    worse = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert worse is not None and worse.worse


def test_bundles_side_by_side_in_an_experiment_are_compared_directly(two_bundles: Connection) -> None:
    arms_run(two_bundles, {"name": "now", "share": 0.5}, {"name": "before", "share": 0.5, "bundle_id": "old"})
    show(two_bundles, "new", users=2000, clicked=200, arm="now")
    show(two_bundles, "old", users=2000, clicked=210, arm="before")
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and seen.side_by_side and not seen.worse
    assert "in the same hours; the smallest drop found with so many users: 3" in seen.reason


def test_an_experiment_that_was_over_before_is_not_what_bundles_are_compared_in(
    two_bundles: Connection,
) -> None:
    """A worker that was slow to hear of its end went on to show both bundles in it for a while."""
    arms_run(two_bundles, {"name": "now", "share": 0.5}, {"name": "before", "share": 0.5, "bundle_id": "old"})
    with two_bundles.cursor() as cursor:
        cursor.execute(
            "update experiments set started_at = %s, stopped_at = %s, stop_reason = 'over'",
            (START - timedelta(days=3), START - timedelta(days=2)),
        )
    two_bundles.commit()
    show(two_bundles, "new", users=500, clicked=10, arm="now")
    show(two_bundles, "old", users=500, clicked=400, arm="before")
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and not seen.side_by_side


def test_only_lists_of_the_same_hours_are_held_side_by_side(two_bundles: Connection) -> None:
    """In the experiment's good hour both do as well; the new one has a bad hour to itself."""
    arms_run(two_bundles, {"name": "now", "share": 0.5}, {"name": "before", "share": 0.5, "bundle_id": "old"})
    show(two_bundles, "new", users=2000, clicked=1000, arm="now")
    show(two_bundles, "old", users=2000, clicked=1000, arm="before")
    show(two_bundles, "new", users=4000, clicked=100, hours=3)
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and seen.side_by_side and not seen.worse
    assert (seen.old.users, seen.new.users, seen.change.value) == (2000, 2000, 0)


def test_a_holdback_is_compared_once_it_is_more_precise_than_the_days(two_bundles: Connection) -> None:
    serving, before = current(two_bundles), previous(two_bundles)
    assert serving is not None and before is not None
    plan = HoldbackPlan(share=0.1, days=2, min_users=200)
    assert begin_holdback(two_bundles, serving, before, plan)
    held = f"holdback-{serving.deployment_id}"
    show(two_bundles, "new", users=1800, clicked=500, arm="now", experiment=held)
    show(two_bundles, "old", users=150, clicked=75, arm="before", experiment=held)
    early = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert early is not None and not early.side_by_side and not early.worse, "a day may be as bad"

    show(two_bundles, "old", users=450, clicked=225, hours=2, arm="before", experiment=held)
    show(two_bundles, "new", users=3600, clicked=1000, hours=2, arm="now", experiment=held)
    seen = roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    assert seen is not None and seen.side_by_side and seen.worse
    assert seen.detectable_drop < early.detectable_drop
    two_bundles.rollback()
    serving = current(two_bundles)
    assert serving is not None and serving.bundle_id == "old"
    ended = get_experiment(two_bundles, held)
    assert ended.stop_reason == "another bundle was deployed", "it ends with the bundle it was begun for"
    (event,) = guard_events(two_bundles, 10)
    assert event.report["detectable_drop"] == seen.detectable_drop


def test_the_command_shows_the_power_and_the_last_decisions(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=200, hours=-1)
    roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    shown = CliRunner().invoke(main, ["guard"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert lines[0] == "4000 users were shown lists in the last 2 days."
    assert "with a holdback (400 users)" in lines[2] and "in a shop's first week" in lines[4]
    assert "undecided: click rate" in lines[5]


def test_lists_of_the_old_bundle_while_workers_change_over_are_no_experiment(two_bundles: Connection) -> None:
    show(two_bundles, "old", users=500, clicked=500, hours=0)
    show(two_bundles, "new", users=2000, clicked=980)
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and (seen.side_by_side, seen.worse) == (False, False)


def test_an_arm_that_explores_says_nothing_about_the_bundle(two_bundles: Connection) -> None:
    arms_run(two_bundles, {"name": "now", "share": 0.5}, {"name": "bold", "share": 0.5, "epsilon": 0.9})
    show(two_bundles, "new", users=1000, clicked=490, arm="now")
    show(two_bundles, "new", users=2000, clicked=0, arm="bold")
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and (seen.new.users, seen.worse) == (1000, False)


def test_too_few_users_say_nothing(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=50, clicked=0)
    seen = compare_with_previous(two_bundles, NOW, PARAMS.guard, CLICKS)
    assert seen is not None and not seen.worse


def test_first_bundles_and_those_gone_back_to_and_old_ones_are_not_judged(database: Any) -> None:
    conn = psycopg2.connect(database.dsn)
    assert compare_with_previous(conn, NOW, PARAMS.guard, CLICKS) is None
    deploy(conn, "old")
    assert compare_with_previous(conn, NOW, PARAMS.guard, CLICKS) is None
    deploy(conn, "new")
    assert compare_with_previous(conn, NOW, PARAMS.guard, CLICKS) is not None
    assert (
        compare_with_previous(conn, NOW + timedelta(days=PARAMS.guard.window_days), PARAMS.guard, CLICKS)
        is None
    )
    deploy(conn, "old", f"{ROLLBACK}by hand")
    assert compare_with_previous(conn, NOW, PARAMS.guard, CLICKS) is None
    conn.close()


def test_a_rollback_that_fails_is_tried_again(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=200)

    def broken(settings: Settings, reason: str, expected: str, in_transaction: InTransaction) -> None:
        with connect(settings) as conn:
            in_transaction(conn)
            raise OSError("gone before the commit")

    with pytest.raises(OSError):
        roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, broken)
    assert guard_events(two_bundles, 10) == []
    two_bundles.rollback()
    roll_back_if_worse(get_settings(), PARAMS.guard, CLICKS, NOW, take_back)
    assert [event.rolled_back for event in guard_events(two_bundles, 10)] == [True]
