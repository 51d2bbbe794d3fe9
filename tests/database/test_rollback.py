"""What a rollback goes back to."""

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments, rollback


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
