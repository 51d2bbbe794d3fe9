"""Skips, however many, never lift an item."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from tests.serving.worker import score_trends
from training.params import Params


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
    score_trends(database.dsn, datetime.now(UTC), small_params)
    for user in ("u20", "u21", "v1", "stranger"):
        home = await plane.lists.home(user, 10)
        lists = (home.personalized, home.trending, home.best_value, home.diverse_picks)
        assert all(math.isfinite(each.score) for ranked in lists for each in ranked)
        assert home.trending[0].item.item_id == "GAR0000001"
        tops = [ranked[0].item.item_id for ranked in lists if ranked]
        assert "TEA0000000" not in tops
