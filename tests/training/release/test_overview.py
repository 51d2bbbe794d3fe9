"""What an operator asks of bundles: which there are, what sets them apart, why one was refused."""

import re
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments, rollback
from database.connection import connect
from database.gate_decisions import record_decision
from database.settings import get_settings
from database.training_failures import last_outcome, record_failure
from training.release.__main__ import describe_outcome, main
from training.release.bundle import StoredBundle
from training.release.promotion import deploy_stored

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


def manifest(bundle_id: str, ndcg: float, factors: int) -> dict[str, Any]:
    return {
        "bundle_id": bundle_id,
        "created_at": f"2026-11-{bundle_id[1:]}T00:00:00+00:00",
        "snapshot_hash": f"md5 of {bundle_id}",
        "git_commit": "c" * 40,
        "params": {"als": {"factors": factors}, "seed": 42},
        "models": {"als": {"metrics": {"ndcg@10": ndcg}}},
    }


@pytest.fixture
def bundles(connection: Connection, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """b10 was taken back, b11 serves again, b12 was rejected."""
    monkeypatch.setenv("SHORTLIST_HOME", str(tmp_path))
    get_settings.cache_clear()
    for bundle_id, champion, ndcg in (("b10", None, 0.1), ("b11", "b10", 0.2)):
        record_decision(connection, bundle_id, champion, True, {"reasons": []})
        content = manifest(bundle_id, ndcg, 64 if bundle_id == "b10" else 128)
        deployments.activate(connection, bundle_id, f"shortlist:{bundle_id}", content, "daily training")
    record_decision(
        connection,
        "b12",
        "b11",
        False,
        {"reasons": ["blend: loses 20 %"], "manifest": {"params": {"als": {"factors": 256}, "seed": 42}}},
    )
    connection.commit()
    return connection


def run(*arguments: str) -> str:
    answer = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return re.sub(r" +", " ", answer.output)


def test_every_bundle_is_listed_with_what_became_of_it(bundles: Connection) -> None:
    listed = run("bundles")
    assert re.search(r"\| b12 \| rejected \|.*\| no \| rejected: blend: loses 20 %", listed)
    assert re.search(r"\| b11 \| in service \| 2026-11-11T00:00 \|.*\| accepted \|", listed)
    assert re.search(r"\| b10 \| previous \|", listed)
    assert re.findall(r"^\| (b\d+)", listed, re.MULTILINE) == ["b12", "b11", "b10"], "the newest first"
    rollback.roll_back(bundles, "fewer clicks", lambda target: True)
    assert re.search(r"\| b11 \| rolled back \|", run("bundles"))
    assert re.search(r"\| b10 \| in service \|", run("bundles"))


def test_two_bundles_side_by_side_show_what_differs(bundles: Connection) -> None:
    compared = run("compare", "b10", "b11")
    assert "| als.factors | 64 | 128 |" in compared and "seed" not in compared
    assert "| als ndcg@10 | 0.1000 | 0.2000 |" in compared
    assert "tested on different days" in compared
    assert "| als.factors | 128 | 256 |" in run("compare", "b11", "b12")
    assert "there is no bundle b99" in run("compare", "b10", "b99")


def test_the_last_training_says_why_it_was_refused_or_failed(bundles: Connection) -> None:
    assert "refused: blend: loses 20 %" in run("why")
    finding = {"suite": "interactions", "column": "event_type", "rows": ["101", "102"]}
    with connect() as conn:
        record_failure(conn, "validate", "1 of 30 expectations failed", {"findings": [finding]})
    told = run("why")
    assert "failed: step validate: 1 of 30 expectations failed" in told
    assert "interactions.event_type: 101, 102" in told
    with connect() as conn:
        record_decision(conn, "b13", "b11", True, {"reasons": []})
        conn.commit()
        found = last_outcome(conn)
    assert found is not None and found.outcome == "accepted"
    assert describe_outcome(found).endswith("accepted")


def test_before_the_first_training_there_is_nothing_to_tell(connection: Connection) -> None:
    assert "No training has come to an end" in run("why")


def test_an_operator_puts_a_bundle_into_service_by_its_id(bundles: Connection) -> None:
    settings = get_settings()
    stored = StoredBundle("b10", "shortlist:b10", settings.home, manifest("b10", 0.1, 64))
    rollback.roll_back(bundles, "fewer clicks", lambda target: True)
    forward = StoredBundle("b11", "shortlist:b11", settings.home, manifest("b11", 0.2, 128))
    done = deploy_stored(settings, None, forward, "promoted by me: the drop was the weather")
    assert (done.deployment.bundle_id, done.previous_bundle, done.changed) == ("b11", "b10", True)
    assert not deploy_stored(settings, None, forward, "again").changed
    assert deploy_stored(settings, None, stored, "back").previous_bundle == "b11"
    assert "b12 is not in the store" in run("promote", "b12", "--reason", "want it")
