"""A deleted user is nobody, on every worker: not to its bundle, and not when the database is away."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from database.experiments import Arm, start_experiment
from database.state import ReadRequest, read_request
from database.users import UserRow
from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane

OpenPlane = Callable[[], Awaitable[LivePlane]]
TEA = ("TEA0000000", "TEA0000001", "TEA0000002")


async def likes(plane: LivePlane, user_id: str, *item_ids: str) -> None:
    for item_id in item_ids:
        await plane.record_interaction(InteractionDraft(user_id=user_id, event_type="like", item_id=item_id))


async def models(plane: LivePlane, user_id: str) -> set[str]:
    return {each.model for each in await plane.lists.for_user_als(user_id, 4)}


def whoever(_: UserRow | None) -> None:
    """No condition."""


async def test_no_worker_asks_the_bundle_of_a_deleted_user(
    shop: list[str], open_plane: OpenPlane, deploy: Any
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    assert await models(other, "u01") == {"als"}  # the bundle knows them, the database does not any more
    await likes(one, "u01", "TEA0000000")
    await one.delete_user("u01", whoever)
    later = await open_plane()
    for worker in (one, other, later):
        assert "als" not in await models(worker, "u01")
    await one.replace_user("u01", lambda _: {"interests": (), "labels": (), "attributes": {}})
    assert "als" not in await models(other, "u01")  # who comes back is somebody new
    await likes(one, "u01", *TEA)
    assert await models(other, "u01") == {"als"}


async def test_no_worker_remembers_a_deleted_user_while_the_database_is_away(
    shop: list[str], open_plane: OpenPlane, deploy: Any
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    for user in ("ann", "bob"):
        await likes(one, user, *TEA)
        assert await models(other, user) == {"als"}
    await one.delete_user("ann", whoever)
    await other.catch_up()
    other._components.database.available = False
    try:
        assert await models(other, "bob") == {"als"}
        assert "als" not in await models(other, "ann")
    finally:
        other._components.database.available = True


@pytest.mark.parametrize("device", [None, "device-1"])
async def test_a_user_is_forgotten_with_the_visitor_that_they_were(
    shop: list[str],
    open_plane: OpenPlane,
    deploy: Any,
    pool: asyncpg.Pool,
    device: str | None,  # what the visitor's own events name beside them
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    await likes(one, "u01", *TEA)
    await pool.execute("update interactions set anonymous_id = $1 where user_id = 'u01'", device)
    assert await models(other, "u01") == {"als"}
    assert await one.merge_users("u01", "ann") == 3
    await one.delete_user("ann", whoever)
    await other.catch_up()
    other._components.database.available = False
    try:
        assert "als" not in await models(other, "u01")
    finally:
        other._components.database.available = True
    for worker in (one, other, await open_plane()):
        assert "als" not in await models(worker, "u01")  # whom the bundle knows


async def test_a_visitor_who_signs_in_goes_on_in_their_arm(
    shop: list[str], open_plane: OpenPlane, deploy: Any, connection: Any, pool: asyncpg.Pool
) -> None:
    deploy()
    start_experiment(connection, "split", "ab", [Arm("one", 0.5), Arm("other", 0.5)])
    connection.commit()
    plane = await open_plane()
    await plane.settle()
    names = [f"visitor-{number}" for number in range(8)]
    for name in names:
        await likes(plane, name, *TEA)
        await plane.lists.home(name, 4, lists=("personalized",))
        await plane.merge_users(name, name.replace("visitor", "user"))
        await plane.lists.home(name.replace("visitor", "user"), 4, lists=("personalized",))
    await plane._components.exposure.impressions.close()
    rows = await pool.fetch(
        "select user_id, array_agg(distinct arm) as arms from impression_lists group by 1"
    )
    arms: dict[str, set[str]] = {}
    for row in rows:
        number = row["user_id"].rpartition("-")[2]
        arms.setdefault(number, set()).update(row["arms"])
    assert len(arms) == 8 and all(len(each) == 1 for each in arms.values())
    assert {arm for each in arms.values() for arm in each} == {"one", "other"}


async def read(plane: LivePlane, user_id: str) -> ReadRequest:
    async with plane._components.database.connection("reading") as conn:
        return await read_request(conn, user_id, 100)


async def test_a_read_from_before_a_deletion_is_not_remembered_after_it(
    shop: list[str], open_plane: OpenPlane, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy()
    plane = await open_plane()
    for user in ("ann", "bob"):
        await likes(plane, user, *TEA)

    before = await read(plane, "ann")
    await plane.delete_user("ann", whoever)

    async def overtaken(*_: Any) -> ReadRequest:
        """What a request has read while another one heard of the deletion."""
        return before

    with monkeypatch.context() as held:
        held.setattr("serving.catalogue.feed.read_request", overtaken)
        await plane.lists.for_user_als("ann", 4)
    assert await models(plane, "bob") == {"als"}
    plane._components.database.available = False
    try:
        assert await models(plane, "bob") == {"als"}
        assert "als" not in await models(plane, "ann")
    finally:
        plane._components.database.available = True
