"""The guard takes back what is clearly worse, once, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.deployments import activate
from database.rollback import ROLLBACK
from database.settings import REPOSITORY, Settings, get_settings
from database.watch import guard_events
from training.guard import judge, watch_bundle
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml")
NOW = datetime.now(UTC) + timedelta(hours=6)


class RollBacks:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, settings: Settings, reason: str) -> None:
        self.reasons.append(reason)


def deploy(conn: Connection, bundle: str, reason: str = "daily training") -> None:
    activate(conn, bundle, f"shortlist:{bundle}", {}, reason)
    conn.commit()


def show(conn: Connection, bundle: str, users: int, clicked: int, hours: float = 1) -> None:
    """Show ten items to each user; so many users click on one."""
    moment = datetime.now(UTC) + timedelta(hours=hours)
    items = [f"i{n}" for n in range(10)]
    lists: list[Any] = [
        (f"{bundle}{n}", True, "home", f"{bundle}-{n}", items, [1.0] * 10, bundle, moment)
        for n in range(users)
    ]
    clicks = [(f"{bundle}-{n}", "click", "i3", moment + timedelta(minutes=5), "test") for n in range(clicked)]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            """insert into impression_lists
            (request_id, shown, endpoint, user_id, item_ids, propensities, bundle_id, shown_at) values %s""",
            lists,
        )
        if clicks:
            execute_values(
                cursor,
                "insert into interactions (user_id, event_type, item_id, occurred_at, source) values %s",
                clicks,
            )
    conn.commit()


@pytest.fixture
def two_bundles(connection: Connection) -> Connection:
    deploy(connection, "old")
    show(connection, "old", users=2000, clicked=1000, hours=-24)
    deploy(connection, "new")
    return connection


def test_a_clearly_worse_bundle_is_taken_back_once(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=400)
    asked = RollBacks()
    seen = watch_bundle(get_settings(), PARAMS, NOW, asked)
    assert seen is not None and seen.worse and (seen.new.value, seen.old.value) == (0.02, 0.05)
    assert len(asked.reasons) == 1 and "0.0200 of bundle new against 0.0500 of old" in asked.reasons[0]
    watch_bundle(get_settings(), PARAMS, NOW + timedelta(hours=1), asked)
    assert len(asked.reasons) == 1, "the cooldown"
    later = timedelta(hours=PARAMS.guard.cooldown_hours + 1)
    watch_bundle(get_settings(), PARAMS, NOW + later, asked)
    assert len(asked.reasons) == 2
    events = guard_events(two_bundles, 10)
    assert [(event.verdict, event.rolled_back) for event in events] == [
        ("worse", True),
        ("worse", False),
        ("worse", True),
    ]
    assert events[1].report["resting"] is True


@pytest.mark.parametrize("clicked", [980, 1500])
def test_as_good_or_better_stays(two_bundles: Connection, clicked: int) -> None:
    show(two_bundles, "new", users=2000, clicked=clicked)
    asked = RollBacks()
    watch_bundle(get_settings(), PARAMS, NOW, asked)
    assert asked.reasons == []


def test_too_few_users_say_nothing(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=50, clicked=0)
    seen = judge(two_bundles, NOW, PARAMS)
    assert seen is not None and not seen.worse


def test_a_first_bundle_and_one_gone_back_to_are_not_judged(database: Any) -> None:
    conn = psycopg2.connect(database.dsn)
    assert judge(conn, NOW, PARAMS) is None
    deploy(conn, "old")
    assert judge(conn, NOW, PARAMS) is None
    deploy(conn, "new")
    deploy(conn, "old", f"{ROLLBACK}by hand")
    assert judge(conn, NOW, PARAMS) is None
    conn.close()


def test_a_rollback_that_fails_is_tried_again(two_bundles: Connection) -> None:
    show(two_bundles, "new", users=2000, clicked=400)

    def broken(settings: Settings, reason: str) -> None:
        raise OSError("busy")

    with pytest.raises(OSError):
        watch_bundle(get_settings(), PARAMS, NOW, broken)
    asked = RollBacks()
    watch_bundle(get_settings(), PARAMS, NOW, asked)
    assert len(asked.reasons) == 1
