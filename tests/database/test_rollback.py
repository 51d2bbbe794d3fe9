"""What a rollback goes back to."""

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments, rollback
from database.experiments import Arm, get_experiment, start_experiment


def deploy(conn: Connection, bundle_id: str) -> None:
    deployments.activate(conn, bundle_id, f"shortlist:{bundle_id}", {"models": {}}, "daily training")
    conn.commit()


def back(conn: Connection) -> str:
    now, _ = rollback.roll_back(conn, "fewer clicks", lambda target: True)
    return now.bundle_id


def test_each_rollback_goes_one_bundle_further_back(connection: Connection) -> None:
    for bundle in ("a", "b", "c"):
        deploy(connection, bundle)

    assert [back(connection), back(connection)] == ["b", "a"]
    with pytest.raises(rollback.RollbackError, match="no earlier bundle"):
        back(connection)


def test_a_bundle_taken_back_and_promoted_again_is_one_to_go_back_to(connection: Connection) -> None:
    deploy(connection, "a")
    deploy(connection, "b")
    assert back(connection) == "a"
    deploy(connection, "c")
    assert back(connection) == "a"

    deploy(connection, "b")
    deploy(connection, "d")

    assert back(connection) == "b"


def test_tests_that_show_the_bundle_taken_back_are_stopped(connection: Connection) -> None:
    """Their control keeps the bundle that was deployed at their start, and that one turned out to be bad."""
    for bundle_id in ("b1", "b2"):
        deploy(connection, bundle_id)
    start_experiment(connection, "e", "ab", (Arm("now", 0.5), Arm("old", 0.5, bundle_id="b1")))
    connection.commit()
    back(connection)
    stopped = get_experiment(connection, "e")
    assert stopped.stop_reason == "bundle b2 was rolled back"


def test_tests_of_other_bundles_go_on(connection: Connection) -> None:
    for bundle_id in ("b1", "b2", "b3"):
        deploy(connection, bundle_id)
    arms = (Arm("one", 0.5, bundle_id="b1"), Arm("two", 0.5, bundle_id="b2"))
    start_experiment(connection, "e", "ab", arms)
    connection.commit()
    back(connection)
    assert get_experiment(connection, "e").stopped_at is None


def test_what_led_to_a_rollback_is_stored_with_it_or_neither_is(connection: Connection) -> None:
    for bundle_id in ("b1", "b2"):
        deploy(connection, bundle_id)

    def full(conn: Connection) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        rollback.roll_back(connection, "worse", lambda target: True, in_transaction=full)
    connection.rollback()
    serving = deployments.current(connection)
    assert serving is not None and serving.bundle_id == "b2"
