"""Experiments on two workers: arms, other bundles, other blends, shadows, exploration, and what is logged."""

import asyncio
import gc
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import asyncpg
import psycopg2
import pytest

from database import deployments
from database.experiments import Arm, Kind, start_experiment, stop_experiment
from database.holdback import HoldbackPlan, begin_holdback
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.experiments.arms import ORIGINAL_WEIGHTS, Arms
from serving.experiments.running import Assignment
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from serving.types import Item
from tests.serving.worker import Clock
from training.params import Params, changes

OpenPlane = Callable[[], Awaitable[LivePlane]]
USERS = [f"v{number:02d}" for number in range(12)]


@pytest.fixture
def start(database: Any) -> Iterator[Callable[..., None]]:
    conn = psycopg2.connect(database.dsn)

    def begin(name: str, arms: Sequence[Arm], kind: Kind = "ab") -> None:
        with conn:
            start_experiment(conn, name, kind, arms)

    yield begin
    conn.close()


@pytest.fixture
async def workers(plane: LivePlane, open_plane: OpenPlane, deploy: Any) -> tuple[LivePlane, LivePlane]:
    """Two workers on bundle `second`, with `first` deployed before it; every user clicked the tea cosy."""
    deploy("first")
    deploy("second", seed=1)
    other = await open_plane()
    for user_id in USERS:
        click = InteractionDraft(user_id=user_id, event_type="product_click", item_id="TEA0000001")
        await plane.record_interaction(click)
    await plane.settle()
    return plane, other


async def logged(pool: asyncpg.Pool, condition: str, count: int) -> list[asyncpg.Record]:
    """The logged lists, once there are `count`."""
    async with asyncio.timeout(10):
        while True:
            rows = await pool.fetch(f"select * from logged_lists where {condition} order by list_id")
            if len(rows) >= count:
                return list(rows)
            await asyncio.sleep(0.02)


async def test_arms_serve_their_bundle_on_every_worker(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    start("old-or-new", [Arm("new", 0.5), Arm("old", 0.5, bundle_id="first")])
    for worker in workers:
        await worker.settle()
    served = []
    for worker in workers:
        found = {}
        for user_id in USERS:
            current_request.set(request := Request(f"r-{user_id}"))
            await worker.lists.home(user_id, 5)
            found[user_id] = request.bundle_id
        served.append(found)
    assert served[0] == served[1]
    assert set(served[0].values()) == {"first", "second"}
    rows = await logged(pool, "endpoint = 'home.personalized'", 24)
    assert {(row["arm"], row["bundle_id"]) for row in rows} == {("new", "second"), ("old", "first")}
    assert all(row["request_id"] == f"r-{row['user_id']}" and row["shown"] for row in rows)
    assert all(len(row["item_ids"]) == 5 and set(row["propensities"]) == {1.0} for row in rows)
    assert all(served[0][row["user_id"]] == row["bundle_id"] for row in rows)


async def served_by(worker: LivePlane) -> dict[str, str | None]:
    """The bundle that each user gets."""
    found = {}
    for user_id in USERS:
        current_request.set(request := Request(f"r-{user_id}"))
        await worker.lists.home(user_id, 5)
        found[user_id] = request.bundle_id
    return found


async def test_a_holdback_keeps_users_on_the_bundle_before_until_the_next_one(
    workers: tuple[LivePlane, LivePlane], database: Any, deploy: Any
) -> None:
    conn = psycopg2.connect(database.dsn)
    with conn:
        serving, before = deployments.current(conn), deployments.previous(conn)
        assert serving is not None and before is not None
        assert begin_holdback(conn, serving, before, HoldbackPlan(share=0.5, days=1, min_users=0))
    conn.close()
    for worker in workers:
        await worker.settle()
    found = await served_by(workers[0])
    assert set(found.values()) == {"first", "second"}
    assert found == await served_by(workers[1])
    deploy("third", seed=2)
    await workers[0].settle()
    assert set((await served_by(workers[0])).values()) == {"third"}


async def test_a_test_of_bundles_keeps_its_control_over_the_night(
    workers: tuple[LivePlane, LivePlane], start: Any, deploy: Any
) -> None:
    start("old-or-new", [Arm("new", 0.5), Arm("old", 0.5, bundle_id="first")])
    await workers[0].settle()
    before = await served_by(workers[0])
    deploy("third", seed=2)
    await workers[0].settle()
    assert set(before.values()) == {"first", "second"}
    assert await served_by(workers[0]) == before


def test_an_arm_of_an_earlier_version_keeps_its_blend_under_todays_names(
    small_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        changes, "CHANGES", (changes.Change("blend.weights=alike", "blend.weights=original"),)
    )
    deployed: Any = SimpleNamespace(bundle=None)
    arms = Arms(deployed, small_params, lambda: datetime.now(UTC))
    policy = arms.policy(Assignment("older", Arm("plain", 1.0, blend={"weights": "alike"})))
    assert (policy.experiment_id, policy.arm) == ("older", "plain")
    assert policy.params.blend.weights == "original"


async def test_a_stopped_experiment_leaves_everyone_on_the_deployed_bundle(
    workers: tuple[LivePlane, LivePlane], start: Any, database: Any, pool: asyncpg.Pool
) -> None:
    start("brief", [Arm("new", 0.5), Arm("old", 0.5, bundle_id="first")])
    await workers[0].settle()
    conn = psycopg2.connect(database.dsn)
    with conn:
        stop_experiment(conn, "brief", "enough")
    conn.close()
    await workers[0].settle()
    for user_id in USERS:
        await workers[0].lists.hybrid(user_id, 3)
    rows = await logged(pool, "endpoint = 'hybrid'", 12)
    assert {(row["experiment_id"], row["bundle_id"]) for row in rows} == {(None, "second")}


async def test_users_of_an_arm_whose_bundle_is_corrupt_keep_the_deployed_one(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool, deploy: Any, clock: Clock
) -> None:
    damaged = deploy.folder / "first" / "als" / "item_factors.npy"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"rubbish")
    start("broken", [Arm("new", 0.5), Arm("old", 0.5, bundle_id="first")])
    await workers[1].settle()
    told = (await workers[1].status())["experiments"]
    assert told["running"] == ["broken"] and told["refused"][0]["bundle_id"] == "first"
    assert "item_factors.npy" in told["refused"][0]["reason"]
    for user_id in USERS:
        assert (await workers[1].lists.home(user_id, 3)).personalized
    rows = await logged(pool, "endpoint = 'home.personalized'", 12)
    assert {(row["arm"], row["bundle_id"]) for row in rows} == {("new", "second"), (None, "second")}
    damaged.write_bytes(whole)
    for seconds, refused in ((59, 1), (2, 0)):  # it is tried again after a minute, and no sooner
        clock.now += timedelta(seconds=seconds)
        await workers[1].settle()
        assert len((await workers[1].status())["experiments"]["refused"]) == refused


@pytest.mark.parametrize(
    ("blend", "weights"),
    [
        ({"tuned": {"als": 2.0}}, {"als": 2.0}),
        ({"weights": "original", "tuned": {"als": 2.0}}, ORIGINAL_WEIGHTS),
        ({"search": 0.0}, ORIGINAL_WEIGHTS),
    ],
)
def test_an_arm_is_made_with_the_weights_that_it_brings(
    small_params: Params, blend: dict[str, Any], weights: dict[str, float]
) -> None:
    """Also in an installation whose params say `weights: original`."""
    original = small_params.blend.changed({"weights": "original"})
    params = small_params.model_copy(update={"blend": original})
    arms = Arms(SimpleNamespace(bundle=None), params, lambda: datetime.now(UTC))  # type: ignore[arg-type]
    policy = arms.policy(Assignment("heavy", Arm("own", 1.0, blend=blend)))
    assert policy.arm == "own" and dict(policy.model_weights) == weights


async def test_an_arm_changes_the_blend(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    plane = workers[0]
    for user_id in USERS:
        search = InteractionDraft(user_id=user_id, event_type="search_query", query="paper stapler")
        await plane.record_interaction(search)
    start(
        "searchers", [Arm("clicks", 0.5, blend={"search": 0.0}), Arm("searched", 0.5, blend={"clicked": 0.0})]
    )
    await plane.settle()
    first = {user_id: (await plane.lists.home(user_id, 1)).personalized[0].item.category for user_id in USERS}
    rows = await logged(pool, "endpoint = 'home.personalized'", 12)
    placed = {row["user_id"]: row["arm"] for row in rows}
    assert set(placed.values()) == {"clicks", "searched"}
    assert {first[user_id] for user_id, arm in placed.items() if arm == "searched"} == {"office"}
    assert {first[user_id] for user_id, arm in placed.items() if arm == "clicks"} == {"tea"}


async def test_an_arm_switches_how_models_are_weighed(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    for user_id in USERS:  # enough not to be a cold start
        for number in (1, 1, 2, 2, 3):
            click = InteractionDraft(
                user_id=user_id, event_type="product_click", item_id=f"TEA000000{number}"
            )
            await workers[0].record_interaction(click)
    by_meaning: dict[str, Any] = {
        "weights": "tuned",
        "tuned": {"embeddings": 1.0},
        "search": 0.0,
        "diverse": 0.0,
    }
    by_rules = by_meaning | {"tuned": {"fpgrowth": 1.0}}
    start("weights", [Arm("meaning", 0.5, blend=by_meaning), Arm("rules", 0.5, blend=by_rules)])
    await workers[0].settle()
    models = {user_id: (await workers[0].lists.home(user_id, 1)).personalized[0].model for user_id in USERS}
    rows = await logged(pool, "endpoint = 'home.personalized'", 12)
    placed = {row["user_id"]: row["arm"] for row in rows}
    assert set(placed.values()) == {"meaning", "rules"}
    named = {"meaning": "embeddings", "rules": "fpgrowth"}
    assert models == {user_id: named[arm] for user_id, arm in placed.items()}


async def test_a_shadow_is_computed_logged_and_not_shown(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    start("shade", [Arm("shown", 1.0), Arm("unseen", 1.0, bundle_id="first")], "shadow")
    await workers[0].settle()
    current_request.set(request := Request("r1"))
    shown = await workers[0].lists.home("v01", 5)
    assert request.bundle_id == "second"
    rows = await logged(pool, "endpoint = 'home.personalized'", 2)
    visible, shadow = sorted(rows, key=lambda row: not row["shown"])
    assert (visible["shown"], visible["arm"], visible["bundle_id"]) == (True, "shown", "second")
    assert (shadow["shown"], shadow["arm"], shadow["bundle_id"]) == (False, "unseen", "first")
    assert shadow["request_id"] == "r1"
    assert visible["item_ids"] == [each.item.item_id for each in shown.personalized]


async def test_a_shadow_whose_rows_went_to_other_items_is_left_out(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    """A bundle that is swapped in after the answer lets new items have the rows of deleted ones."""
    start("shade", [Arm("shown", 1.0), Arm("unseen", 1.0)], "shadow")
    plane = workers[0]
    await plane.settle()
    await plane.create_item(ItemDraft(kind="product", item_id="NEW0000001", title="samovar"))
    click = InteractionDraft(user_id="v01", event_type="product_click", item_id="NEW0000001")
    await plane.record_interaction(click)
    await plane.lists.home("v01", 5)
    catalogue, placed = plane._components.index.catalogue, plane._components.deployed.bundle
    assert placed is not None
    row = catalogue.remove("NEW0000001", catalogue.changed_at("NEW0000001") + 1)
    catalogue.give_back([placed.rows])  # before the shadow's turn
    assert catalogue.put(Item("NEW0000002", "product", "kettle"), catalogue.changed_at("TEA0000000")) == row
    await plane._components.exposure.close()
    rows = await logged(pool, "endpoint = 'home.personalized'", 1)
    assert [row["arm"] for row in rows] == ["shown"]


async def test_a_shadows_lists_that_were_made_of_a_history_of_before_a_change_are_not_kept(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    """An item that the user has seen comes back after the answer: no list that is asked for later has it."""
    start("shade", [Arm("shown", 1.0), Arm("unseen", 1.0)], "shadow")
    plane = workers[0]
    await plane.settle()
    click = InteractionDraft(user_id="v01", event_type="product_click", item_id="TEA0000002")
    await plane.record_interaction(click)
    catalogue = plane._components.index.catalogue
    item, changed = catalogue.item(catalogue.row("TEA0000001")), catalogue.changed_at("TEA0000001")
    catalogue.remove("TEA0000001", changed + 1)
    await plane.lists.home("v01", 5)
    catalogue.put(item, changed + 2)  # before the shadow's turn
    unseen = "endpoint = 'home.personalized' and not shown"
    (early,) = await logged(pool, unseen, 1)
    assert "TEA0000001" in early["item_ids"], "it was not known as seen while it was away"
    await plane.lists.home("v01", 5)
    _, late = await logged(pool, unseen, 2)
    assert "TEA0000001" not in late["item_ids"]


async def test_an_exploring_arm_logs_the_propensities_it_drew_with(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool
) -> None:
    start("explore", [Arm("greedy", 0.5), Arm("bold", 0.5, epsilon=0.9)])
    await workers[0].settle()
    for _ in range(3):
        for user_id in USERS:
            assert len(await workers[0].lists.hybrid(user_id, 4)) == 4
    rows = await logged(pool, "endpoint = 'hybrid'", 36)
    drawn = Counter(tuple(row["item_ids"]) for row in rows if row["arm"] == "bold")
    assert len(drawn) > 3
    propensities = {round(value, 3) for row in rows if row["arm"] == "bold" for value in row["propensities"]}
    assert len(propensities) == 2 and all(0 < value < 0.2 for value in propensities)
    assert {value for row in rows if row["arm"] == "greedy" for value in row["propensities"]} == {1.0}


async def test_of_a_list_longer_than_is_logged_each_item_keeps_its_propensity(
    workers: tuple[LivePlane, LivePlane], start: Any, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("explore", [Arm("greedy", 0.5), Arm("bold", 0.5, epsilon=0.9)])
    await workers[0].settle()
    exposure = workers[0]._components.exposure
    monkeypatch.setattr(exposure, "_params", exposure._params.model_copy(update={"positions": 3}))
    for user_id in USERS:
        await workers[0].lists.hybrid(user_id, 5)
    rows = await logged(pool, "endpoint = 'hybrid'", 12)
    assert {(len(row["item_ids"]), len(row["propensities"])) for row in rows} == {(3, 3)}


async def test_lists_that_no_user_asked_for_are_logged_too(
    workers: tuple[LivePlane, LivePlane], pool: asyncpg.Pool
) -> None:
    plane = workers[0]
    results = (await plane.lists.search("teapot", 3)).results
    await plane.lists.similar_products("TEA0000001", 4)
    rows = await logged(pool, "endpoint in ('search', 'product')", 2)
    by_endpoint = {row["endpoint"]: row for row in rows}
    assert by_endpoint["search"]["item_ids"] == [each.item.item_id for each in results]
    assert by_endpoint["search"]["user_id"] is None and len(by_endpoint["product"]["item_ids"]) == 4


@pytest.mark.parametrize("asked", [{"headers_only": True}, {"shown": 0}])
async def test_a_list_of_which_nothing_is_on_the_page_was_not_shown(
    workers: tuple[LivePlane, LivePlane], pool: asyncpg.Pool, asked: dict[str, Any]
) -> None:
    current_request.set(Request("r-head", **asked))
    await workers[0].lists.home(USERS[0], 5)
    rows = await logged(pool, "request_id = 'r-head'", 1)
    assert not any(row["shown"] for row in rows)


async def test_lists_are_counted_by_model_and_state_is_told(workers: tuple[LivePlane, LivePlane]) -> None:
    from prometheus_client import REGISTRY

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = value("shortlist_fallbacks_total", endpoint="search", reason="no_search_matches")
    cold = value("shortlist_lists_total", endpoint="als", cold="true")
    await workers[0].lists.search("zzzzzz qqqqqq", 3)
    await workers[0].lists.for_user_als("stranger", 3)
    assert value("shortlist_fallbacks_total", endpoint="search", reason="no_search_matches") == before + 1
    assert value("shortlist_lists_total", endpoint="als", cold="true") == cold + 1
    async with asyncio.timeout(5):
        while value("shortlist_bundle_age_seconds") == 0:
            await asyncio.sleep(0.1)
    assert value("shortlist_feed_lag") == 0


async def test_a_bundle_that_no_list_is_made_with_is_let_go(
    plane: LivePlane, deploy: Any, start: Any, database: Any
) -> None:
    deploy("first")
    await plane.settle()
    start("old-or-new", [Arm("new", 0.5), Arm("old", 0.5, bundle_id="first")])
    deploy("second", seed=1)
    await plane.settle()
    first = ref(
        plane._components.arms.policy(Assignment("old-or-new", Arm("old", 0.5, bundle_id="first"))).bundle
    )
    second = ref(plane._components.deployed.bundle)
    for user_id in USERS:
        await plane.lists.home(user_id, 5)
    with psycopg2.connect(database.dsn) as conn:
        stop_experiment(conn, "old-or-new", "over")
    conn.close()
    # As in the service, where the collector does not look at what was there for long.
    gc.collect()
    gc.freeze()
    try:
        deploy("third", seed=2)
        await plane.settle()
        await plane.lists.home("ann", 5)
        gc.collect()
        assert first() is None and second() is None
    finally:
        gc.unfreeze()
    assert [each.bundle_id for each in plane._components.deployed._placed] == ["third"]


async def test_the_rankings_of_many_arms_are_kept_from_list_to_list(
    plane: LivePlane, deploy: Any, start: Any, tmp_path: Path
) -> None:
    first = deploy("first")
    others = [f"other{number}" for number in range(5)]
    for tag in others:
        shutil.copytree(first, tmp_path / tag)
        deploy.deploy(tag)
    deploy.deploy("first")
    arms = [Arm("now", 0.5), *(Arm(tag, 0.1, bundle_id=tag) for tag in others)]
    start("many", arms)
    await plane.settle()
    policies = [plane._components.arms.policy(Assignment("many", arm)) for arm in arms]
    assert len({policy.bundle_id for policy in policies}) == len(arms)
    before, after = ([plane.lists.context(policy, 5).rankings for policy in policies] for _ in range(2))
    assert all(one is other for one, other in zip(before, after, strict=True))
