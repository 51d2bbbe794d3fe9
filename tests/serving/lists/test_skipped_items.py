"""Skips, however many, never lift an item."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from serving.types import Ranked
from tests.serving.worker import score_trends
from training.params import Params

SKIPPED = "TEA0000000"


async def _likes_and_clicks(plane: LivePlane, long_ago: datetime) -> None:
    """Likes of four users long ago, and ten clicks on another item now."""
    for number in range(4):
        like = InteractionDraft(
            user_id=f"fan{number}", event_type="like", item_id=SKIPPED, occurred_at=long_ago
        )
        await plane.record_interaction(like)
    for number in range(10):
        click = InteractionDraft(user_id=f"v{number}", event_type="product_click", item_id="GAR0000001")
        await plane.record_interaction(click)


async def _skips(plane: LivePlane) -> None:
    for number in range(16):
        skip = InteractionDraft(user_id=f"u{number:02d}", event_type="skip", item_id=SKIPPED)
        await plane.record_interaction(skip)


def _place(ranked: list[Ranked]) -> float:
    """Of the skipped item: infinite where the list does without it."""
    item_ids = [each.item.item_id for each in ranked]
    return item_ids.index(SKIPPED) if SKIPPED in item_ids else math.inf


async def test_a_skipped_item_tops_no_list(
    plane: LivePlane, deploy: Any, database: Any, small_params: Params, clock: Any
) -> None:
    deploy()
    await plane.settle()
    await _likes_and_clicks(plane, clock() - timedelta(days=20))
    await _skips(plane)
    score_trends(database.dsn, datetime.now(UTC), small_params)
    for user in ("u20", "u21", "v1", "stranger"):
        home = await plane.lists.home(user, 10)
        lists = (home.personalized, home.trending, home.best_value, home.diverse_picks)
        assert all(math.isfinite(each.score) for ranked in lists for each in ranked)
        assert home.trending[0].item.item_id == "GAR0000001"
        # The diverse picks, the last, are drawn by lot: see below.
        assert SKIPPED not in [ranked[0].item.item_id for ranked in lists[:-1] if ranked]


async def test_no_lot_is_kinder_to_an_item_for_being_skipped(
    plane: LivePlane, deploy: Any, database: Any, small_params: Params, clock: Any
) -> None:
    deploy()
    await plane.settle()
    users = [f"stranger{number}" for number in range(50)]
    await _likes_and_clicks(plane, clock() - timedelta(days=20))
    score_trends(database.dsn, datetime.now(UTC), small_params)
    before = [_place((await plane.lists.home(user, 18)).diverse_picks) for user in users]
    await _skips(plane)
    score_trends(database.dsn, datetime.now(UTC), small_params)
    after = [_place((await plane.lists.home(user, 18)).diverse_picks) for user in users]
    assert all(now >= earlier for now, earlier in zip(after, before, strict=True))
    assert after != before
