"""/status reads the whole table of interactions: not for everyone who asks."""

from typing import Any

import pytest

from database.state import Counts, read_counts
from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from tests.serving.worker import Clock


async def test_the_tables_are_counted_once_in_ten_seconds(
    plane: LivePlane, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    async def count(conn: Any) -> Counts:
        counted.append(1)
        return await read_counts(conn)

    monkeypatch.setattr("serving.plane.read_counts", count)
    before = await plane.status()
    await plane.record_interaction(InteractionDraft(user_id="ann", event_type="click", item_id="TEA0000000"))
    for _ in range(20):
        assert await plane.status() == before
    assert len(counted) == 1
    clock.advance(days=11 / 86_400)
    after = await plane.status()
    assert after["database"]["n_interactions"] == before["database"]["n_interactions"] + 1
    assert len(counted) == 2
