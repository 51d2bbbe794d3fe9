"""Shops that no benchmark has: a night's stages make a bundle of them that answers, or refuse by name."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from data_checks.errors import DataCheckError
from database.export import EMBEDDINGS, INTERACTIONS, ITEMS, USERS
from database.settings import REPOSITORY
from training.data.workspace import Workspace
from training.models.bundle import load_bundle
from training.models.core.base import Query
from training.pipeline.stages import run_stage, stage_names
from training.release.smoke import smoke_test

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""Half a day after the clocks of Europe went forward."""
ENCODER = "hand-made"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Shop:
    """The rows of a snapshot's tables; a usual shop of 12 items and 20 users of two tastes over 60 days."""

    items: Rows = field(
        default_factory=lambda: [
            {
                "item_id": f"I{n:02d}",
                "kind": "product",
                "title": f"thing {n % 3}",
                "text_hash": "h",
                "price": 2.0,
                "tags": [],
            }
            for n in range(12)
        ]
    )
    events: Rows = field(
        default_factory=lambda: [
            event(f"u{n % 20}", f"I{(2 * (n // 20 * 7 % 6) + n % 2):02d}", timedelta(hours=3 * n), "click")
            for n in range(480)
        ]
    )
    model: str = ENCODER


def event(user: str | None, item: str | None, ago: timedelta, kind: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "occurred_at": NOW - ago, "event_type": kind} | more


def of_events(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Shop:
    shop = Shop()
    return replace(shop, events=[each | change(each) for each in shop.events])


def of_items(**changes: Any) -> Shop:
    shop = Shop()
    return replace(shop, items=[each | changes for each in shop.items])


HOUR = timedelta(hours=1)
SHOPS: dict[str, Shop] = {
    "one user": of_events(lambda each: {"user_id": "u1"}),
    "two items and one click": replace(
        Shop(), items=Shop().items[:2], events=[event("u1", "I00", HOUR, "click")]
    ),
    "only searches": of_events(
        lambda each: {"event_type": "search_query", "item_id": None, "query": "thing"}
    ),
    "only skips": of_events(lambda each: {"event_type": "skip"}),
    "only anonymous purchases": of_events(lambda each: {"user_id": None, "event_type": "purchase"}),
    "all at one moment": of_events(lambda each: {"occurred_at": NOW}),
    "clocks back and a day ahead, and thirty years": replace(
        Shop(),
        events=[
            event("u1", "I01", 31 * 365 * 24 * HOUR, "like"),
            *of_events(lambda each: {"occurred_at": NOW - (NOW - each["occurred_at"]) % HOUR}).events,
            *(each | {"occurred_at": NOW + timedelta(hours=23)} for each in Shop().events[:20]),
        ],
    ),
    "one session, a robot, titles of ten kilobytes": replace(
        of_items(title="word " * 2000),
        events=[
            *(each | {"session_id": "s"} for each in Shop().events),
            *(event("robot", f"I{n % 12:02d}", n * HOUR / 60, "click") for n in range(10_000)),
        ],
    ),
    "nothing but unknown titles": of_items(title=None, text_hash=None),
    "titles of signs alone, vectors of another encoder": replace(
        of_items(title="!!! ??? 🙂"), model="another"
    ),
}
REFUSED = {
    "one item": (
        replace(Shop(), items=Shop().items[:1], events=[event("u1", "I00", HOUR, "click")]),
        "catalogue",
    ),
    "no events": (replace(Shop(), events=[]), "interactions"),
    "a clock of another century": (
        of_events(lambda each: {"occurred_at": datetime(1970, 1, 1, tzinfo=UTC)}),
        "occurred_at",
    ),
    "no titles but empty ones": (of_items(title=""), "title"),
}


class HandMade:
    """An encoder that needs no weights."""

    dimension = 4

    def __init__(self, model: str) -> None:
        assert model == ENCODER

    def encode(self, texts: Iterable[str]) -> Any:
        return np.array([[len(text) % 7, 1, 2, 3] for text in texts], dtype=np.float32)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr("training.models.core.encoder.Encoder", HandMade)
    found = Workspace(tmp_path)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["embeddings"]["model"] = ENCODER
    params["evaluation"]["bootstrap_samples"] = 100
    params["als"] |= {"factors": 8, "iterations": 3}
    params["nmf"] |= {"factors": 8, "iterations": 3}
    found.params_file.write_text(yaml.safe_dump(params))
    return found


def write(shop: Shop, workspace: Workspace) -> None:
    """The shop as an export leaves it: in order of time, and ids in order of arrival."""
    folder = workspace.snapshot
    folder.mkdir(parents=True)
    arrived = [each | {"interaction_id": n + 1, "source": "service"} for n, each in enumerate(shop.events)]
    events = sorted(arrived, key=lambda each: (each["occurred_at"], each["interaction_id"]))
    users = sorted({each["user_id"] for each in events} - {None})
    vectors = [
        {
            "item_id": item["item_id"],
            "model": shop.model,
            "text_hash": item["text_hash"],
            "vector": np.eye(4, dtype="<f4")[n % 4].tobytes(),
        }
        for n, item in enumerate(shop.items)
        if item["text_hash"] is not None
    ]
    for name, schema, rows in (
        ("items", ITEMS, shop.items),
        ("users", USERS, [{"user_id": user, "created_at": NOW} for user in users]),
        ("interactions", INTERACTIONS, events),
        ("embeddings", EMBEDDINGS, vectors),
    ):
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"{name}.parquet")
    counts = {"items": len(shop.items), "users": len(users), "interactions": len(events)}
    described = {"catalogue_seq": 1, "interaction_id": len(events), "as_of": NOW.isoformat(), "rows": counts}
    (folder / "snapshot.json").write_text(json.dumps(described))
    md5 = hashlib.md5(json.dumps(described).encode(), usedforsecurity=False).hexdigest()
    workspace.snapshot_pointer.write_text(
        yaml.safe_dump({"outs": [{"md5": f"{md5}.dir", "path": folder.name}]})
    )


@pytest.mark.parametrize("name", SHOPS)
def test_an_odd_shop_gets_a_bundle_that_answers(name: str, workspace: Workspace) -> None:
    write(SHOPS[name], workspace)
    for stage in stage_names():
        run_stage(stage, workspace)

    assert smoke_test(workspace.bundle, 5, seed=1)[1] == []
    bundle = load_bundle(workspace.bundle)
    assert len(bundle.items) == len(SHOPS[name].items)
    for model in bundle.models.values():
        _, scores = model.recommend(Query(), 5)
        assert np.isfinite(scores).all()
    summary = json.loads((workspace.evaluation / "summary" / "summary.json").read_text())
    assert summary["users"]["all"] >= 0


@pytest.mark.parametrize("name", REFUSED)
def test_a_shop_that_is_broken_is_refused_by_the_name_of_what_is_wrong(
    name: str, workspace: Workspace
) -> None:
    shop, named = REFUSED[name]
    write(shop, workspace)
    with pytest.raises(DataCheckError, match=named):
        run_stage("validate", workspace)
