"""Skips, however many, never lift an item."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from training.params import Params
from training.pipeline.trending import score_trending


async def test_a_skipped_item_tops_no_list(
    plane: LivePlane, deploy: Any, database: Any, small_params: Params, clock: Any
) -> None:
    deploy()
    await plane.settle()
    long_ago = clock() - timedelta(days=20)
    for number in range(4):
        like = InteractionDraft(
            user_id=f"fan{number}", event_type="like", item_id="TEA0000000", occurred_at=long_ago
        )
        await plane.record_interaction(like)
    for number in range(16):
        skip = InteractionDraft(user_id=f"u{number:02d}", event_type="skip", item_id="TEA0000000")
        await plane.record_interaction(skip)
    for number in range(10):
        click = InteractionDraft(user_id=f"v{number}", event_type="product_click", item_id="GAR0000001")
        await plane.record_interaction(click)
    with psycopg2.connect(database.dsn) as conn:
        score_trending(conn, datetime.now(UTC), small_params)
    conn.close()
    for user in ("u20", "u21", "v1", "stranger"):
        home = await plane.lists.home(user, 10)
        lists = (home.personalized, home.trending, home.best_value, home.diverse_picks)
        assert all(math.isfinite(each.score) for ranked in lists for each in ranked)
        assert home.trending[0].item.item_id == "GAR0000001"
        tops = [ranked[0].item.item_id for ranked in lists if ranked]
        assert "TEA0000000" not in tops
