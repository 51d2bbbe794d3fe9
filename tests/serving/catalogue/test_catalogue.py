"""What is written through one worker is in every answer of the other, at its next request."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg2
import pytest

from serving.catalogue.drafts import ItemDraft
from serving.errors import EditConflictError, ItemExistsError, ItemNotFoundError
from serving.plane import LivePlane
from serving.types import Ranked
from tests.serving.words import BagOfWords

OpenPlane = Callable[[], Awaitable[LivePlane]]
Workers = tuple[LivePlane, LivePlane]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


NEW = ItemDraft(
    kind="product",
    item_id="NEW0000001",
    title="tea cosy knitted",
    category="tea",
    price=1.0,
    discount_ratio=0.9,
)


@pytest.fixture(params=[False, True], ids=["no bundle", "bundle"])
async def workers(
    request: pytest.FixtureRequest, shop: list[str], open_plane: OpenPlane, deploy: Any
) -> Workers:
    if request.param:
        deploy()
    return await open_plane(), await open_plane()


async def test_created_item_is_everywhere_on_the_other_worker(workers: Workers) -> None:
    one, two = workers
    created = await one.create_item(NEW)
    assert await two.get_item("NEW0000001") == created
    assert "NEW0000001" in ids((await two.lists.search("knitted", 5)).results)
    assert "NEW0000001" in ids(await two.lists.semantic_search("tea cosy", 3))
    assert "NEW0000001" in ids(await two.lists.similar_products("TEA0000001", 5))
    assert ids(await two.lists.similar_products("NEW0000001", 5))[0] == "TEA0000001"
    assert "NEW0000001" in ids(await two.lists.similar_by_vector("TEA0000001", 5))
    home = await two.lists.home("somebody", 60)
    assert "NEW0000001" in ids(home.trending)
    assert ids(home.best_value)[0] == "NEW0000001"
    assert "NEW0000001" in ids(home.top_categories["tea"])
    found, total = await two.list_items("product", "tea", 0, 100)
    assert "NEW0000001" in [item.item_id for item in found] and total == 7


async def test_edited_item_is_found_by_its_new_text_only(workers: Workers) -> None:
    one, two = workers
    await two.lists.semantic_search("trampoline", 1)
    await one.update_item("TEA0000001", {"title": "trampoline", "category": "sport"})
    assert ids((await two.lists.search("trampoline", 5)).results)[0] == "TEA0000001"
    assert ids(await two.lists.semantic_search("trampoline", 1)) == ["TEA0000001"]
    assert "TEA0000001" not in ids(await two.lists.similar_products("TEA0000002", 4))
    assert (await two.list_items("product", "sport", 0, 10))[1] == 1
    assert "TEA0000001" not in ids((await two.lists.search("cosy", 5)).results)


async def test_deleted_item_is_nowhere(workers: Workers) -> None:
    one, two = workers
    await one.delete_item("TEA0000001")
    assert await two.get_item("TEA0000001") is None
    home = await two.lists.home("somebody", 60)
    lists = [home.trending, home.best_value, home.diverse_picks, *home.top_categories.values()]
    lists += [
        (await two.lists.search("tea cosy", 50)).results,
        await two.lists.semantic_search("tea cosy", 50),
    ]
    lists += [
        await two.lists.similar_products("TEA0000002", 50),
        await two.lists.similar_by_vector("TEA0000002", 50),
    ]
    lists += [await two.lists.for_user_als("u00", 50), await two.lists.hybrid("u00", 50)]
    assert all("TEA0000001" not in ids(each) for each in lists)
    with pytest.raises(ItemNotFoundError):
        await two.lists.similar_products("TEA0000001", 5)


async def test_what_was_written_outlives_a_restart(workers: Workers, open_plane: OpenPlane) -> None:
    one, _ = workers
    await one.create_item(NEW)
    await one.update_item("TEA0000002", {"title": "trampoline"})
    await one.delete_item("TEA0000003")
    restarted = await open_plane()
    assert ids(await restarted.lists.semantic_search("trampoline", 1)) == ["TEA0000002"]
    assert "NEW0000001" in ids((await restarted.lists.search("knitted", 5)).results)
    assert await restarted.get_item("TEA0000003") is None


async def test_changes_after_the_watermark_survive_a_new_bundle(workers: Workers, deploy: Any) -> None:
    one, two = workers
    await one.create_item(NEW)
    await one.update_item("TEA0000002", {"title": "trampoline"})
    await one.delete_item("TEA0000003")
    deploy("later")
    await two.settle()
    assert two.bundle_id == "later"
    assert ids(await two.lists.semantic_search("trampoline", 1)) == ["TEA0000002"]
    assert ids(await two.lists.similar_by_vector("NEW0000001", 1)) == ["TEA0000001"]
    assert "TEA0000003" not in ids(await two.lists.semantic_search("tea strainer", 30))
    assert "TEA0000003" not in ids(await two.lists.similar_by_als("TEA0000000", 30))


async def test_recreated_item_takes_its_place_again(workers: Workers) -> None:
    one, two = workers
    await one.delete_item("TEA0000001")
    await two.catch_up()
    await one.create_item(ItemDraft(kind="product", item_id="TEA0000001", title="umbrella stand"))
    assert ids(await two.lists.semantic_search("umbrella stand", 1)) == ["TEA0000001"]


@pytest.mark.parametrize(("edits", "stored"), [(3, True), (100, False)])
async def test_an_edit_among_edits_of_others_is_tried_again_and_at_last_a_conflict(
    workers: Workers, database: Any, monkeypatch: pytest.MonkeyPatch, edits: int, stored: bool
) -> None:
    """Someone else changes the text each time that this edit's text is encoded, `edits` times."""
    one, _ = workers
    others = iter(range(edits))
    encode = BagOfWords.encode

    def encode_meanwhile(self: BagOfWords, texts: Any) -> Any:
        if (number := next(others, None)) is not None:
            with psycopg2.connect(database.dsn) as conn, conn.cursor() as cursor:
                cursor.execute("update items set description = %s where item_id = 'TEA0000001'", [number])
        return encode(self, texts)

    monkeypatch.setattr(BagOfWords, "encode", encode_meanwhile)
    if stored:
        edited = await one.update_item("TEA0000001", {"title": "trampoline"})
        assert (edited.title, edited.description) == ("trampoline", str(edits - 1))
    else:
        with pytest.raises(
            EditConflictError, match="'TEA0000001' is being edited by someone else; try again"
        ):
            await one.update_item("TEA0000001", {"title": "trampoline"})


async def test_taken_and_unknown_ids_are_told(workers: Workers) -> None:
    one, _ = workers
    with pytest.raises(ItemExistsError):
        await one.create_item(ItemDraft(kind="product", item_id="TEA0000001", title="again"))
    with pytest.raises(ItemNotFoundError):
        await one.update_item("NOSUCH0000", {"title": "x"})
    with pytest.raises(ItemNotFoundError):
        await one.delete_item("NOSUCH0000")


async def test_a_number_that_is_the_id_of_something_else_is_left_out(workers: Workers) -> None:
    one, two = workers
    first = await one.create_item(ItemDraft(kind="article", title="On carbonara"))
    assert first.article_id is not None
    for taken in (1, 2):
        name = f"A{first.article_id + taken:09}"
        await one.create_item(ItemDraft(kind="content", item_id=name, title="in the way"))
    article = await two.create_item(ItemDraft(kind="article", title="On pesto"))
    assert article.article_id == first.article_id + 3
    assert await one.get_article(article.article_id) == article


async def test_articles_are_numbered_and_found_by_number(workers: Workers) -> None:
    one, two = workers
    article = await one.create_item(ItemDraft(kind="article", title="On carbonara"))
    assert article.article_id is not None
    assert await two.get_article(article.article_id) == article
    articles = frozenset({"article"})
    assert ids(await two.lists.semantic_search("carbonara", 5, articles)) == [article.item_id]
    assert article.item_id not in ids(await two.lists.semantic_search("carbonara", 5, frozenset({"product"})))
    await two.delete_item(article.item_id)
    assert await one.get_article(article.article_id) is None
