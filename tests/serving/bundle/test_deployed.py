"""Bundles come, go and are refused while the worker answers."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from database.settings import REPOSITORY
from serving.errors import ModelNotReadyError
from serving.plane import LivePlane
from serving.types import Ranked
from training.models.bundle import hash_files

OpenPlane = Callable[[], Awaitable[LivePlane]]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


async def test_answers_before_any_bundle(plane: LivePlane) -> None:
    assert plane.bundle_id == "none"
    status = await plane.status()
    assert status["matrix_factorization"]["status"] == "not_trained"
    assert status["bundle"]["bundle_id"] == "none"
    assert ids((await plane.lists.search("teapot", 3)).results)[0] == "TEA0000000"
    assert len((await plane.lists.home("ann", 5)).trending) == 5
    assert ids(await plane.lists.similar_products("TEA0000001", 3))
    with pytest.raises(ModelNotReadyError):
        await plane.lists.similar_by_als("TEA0000001", 3)


async def test_a_new_bundle_is_followed_without_a_restart(plane: LivePlane, deploy: Any) -> None:
    deploy("first")
    await plane.settle()
    assert plane.bundle_id == "first"
    found = await plane.lists.similar_by_als("TEA0000001", 3)
    assert all(item_id.startswith("TEA") for item_id in ids(found)) and found[0].model == "als"
    deploy("second", seed=1)
    await plane.settle()
    status = await plane.status()
    assert status["bundle"]["bundle_id"] == "second" and status["bundle"]["status"] == "current"
    assert status["matrix_factorization"] == {
        "status": "trained",
        "n_users": 30,
        "n_items": 18,
        "n_factors": 3,
    }
    assert set(status["models"]) >= {"als", "nmf", "tfidf", "embeddings", "fpgrowth"}


async def test_answers_are_the_same_after_a_restart(
    plane: LivePlane, deploy: Any, open_plane: OpenPlane
) -> None:
    deploy("first")
    await plane.settle()
    restarted = await open_plane()
    assert restarted.bundle_id == "first"
    assert ids(await plane.lists.for_user_als("u01", 8)) == ids(await restarted.lists.for_user_als("u01", 8))
    assert ids(await plane.lists.semantic_search("tea tray", 5)) == ids(
        await restarted.lists.semantic_search("tea tray", 5)
    )


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the manifest; its hashes are made to fit the files."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {"files": hash_files(folder)} | changes
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("changed", "item_factors.npy"),
        ("missing", "item_factors.npy"),
        ("gone", "manifest"),
        ("schema", "schema 999"),
        ("smoke", "als does not give a finite score"),
    ],
)
async def test_a_corrupt_bundle_is_refused_and_the_old_one_answers(
    plane: LivePlane, deploy: Any, damage: str, why: str
) -> None:
    deploy("first")
    await plane.settle()
    broken = deploy.write("broken", seed=1)
    factors = broken / "als" / "item_factors.npy"
    if damage == "changed":
        content = bytearray(factors.read_bytes())
        content[-1] ^= 1
        factors.write_bytes(content)
    elif damage == "missing":
        factors.unlink()
    elif damage == "schema":
        rewrite(broken, schema_version=999)
    elif damage == "smoke":
        np.save(factors, np.full_like(np.load(factors), np.nan))
        rewrite(broken)
    else:
        broken.rename(broken.with_name("elsewhere"))
    deploy.deploy("broken")
    await plane.settle()
    assert plane.bundle_id == "first"
    [refused] = (await plane.status())["bundle"]["refused"]
    assert refused["bundle_id"] == "broken" and why in refused["reason"]
    deploy("third", seed=2)
    await plane.settle()
    assert plane.bundle_id == "third"


async def test_a_worker_that_starts_on_a_corrupt_bundle_falls_back(
    shop: list[str], deploy: Any, open_plane: OpenPlane
) -> None:
    deploy("first")
    (deploy.write("broken") / "items.npy").unlink()
    deploy.deploy("broken")
    plane = await open_plane()
    assert plane.bundle_id == "first"
    bundle = (await plane.status())["bundle"]
    assert bundle["status"] != "current" and bundle["refused"][0]["bundle_id"] == "broken"
    assert ids(await plane.lists.similar_by_als("TEA0000001", 3))


async def test_a_bundle_of_another_encoder_is_refused(plane: LivePlane, deploy: Any) -> None:
    model = deploy.params.embeddings.model_copy(update={"model": "other"})
    other = type(deploy)(deploy.dsn, deploy.folder, deploy.params.model_copy(update={"embeddings": model}))
    other("foreign")
    await plane.settle()
    assert plane.bundle_id == "none"
    assert "other" in (await plane.status())["bundle"]["refused"][0]["reason"]


async def test_a_trained_user_without_recent_events_gets_their_als_list(
    plane: LivePlane, deploy: Any
) -> None:
    deploy()
    await plane.settle()
    found = await plane.lists.for_user_als("u00", 4)
    assert {each.model for each in found} == {"als"}
    assert len({each.item.category for each in found[:2]}) == 1


@pytest.mark.slow
def test_a_stored_bundle_is_found_by_its_tag(tmp_path: Path) -> None:
    """In a process of its own: BentoML reads where its store is when it is imported."""
    program = """
import bentoml, pathlib
from serving.bundle.loading import bento_folder
with bentoml.models.create("shortlist:v1") as model:
    folder = pathlib.Path(model.path) / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
assert (bento_folder("shortlist:v1") / "manifest.json").read_text() == "{}"
try:
    bento_folder("shortlist:v2")
except LookupError:
    print("as it should")
"""
    environment = os.environ | {"BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "as it should", done.stderr


async def test_a_refused_bundle_is_taken_once_it_is_repaired(
    plane: LivePlane, deploy: Any, clock: Any
) -> None:
    deploy("first")
    broken = deploy.write("broken", seed=1)
    factors = broken / "als" / "item_factors.npy"
    whole = factors.read_bytes()
    factors.write_bytes(whole[:-1])
    deploy.deploy("broken")
    await plane.settle()
    factors.write_bytes(whole)
    await plane.settle()
    assert plane.bundle_id == "none"  # it is not hashed anew for every request
    clock.advance(days=61 / 86400)
    await plane.settle()
    assert plane.bundle_id == "broken"
    assert (await plane.status())["bundle"]["refused"] == []


async def test_without_a_bundle_its_refusal_is_the_reason_given(plane: LivePlane, deploy: Any) -> None:
    with pytest.raises(ModelNotReadyError, match="no bundle is deployed yet"):
        await plane.lists.similar_by_als("TEA0000001", 3)
    (deploy.write("broken") / "items.npy").unlink()
    deploy.deploy("broken")
    await plane.settle()
    with pytest.raises(ModelNotReadyError, match=r"bundle broken was rejected: .*items\.npy"):
        await plane.lists.similar_by_als("TEA0000001", 3)
    assert "items.npy" in (await plane.status())["bundle"]["status"]


async def test_each_refusal_is_followed_by_a_longer_wait(plane: LivePlane, deploy: Any, clock: Any) -> None:
    (deploy.write("broken") / "items.npy").unlink()
    deploy.deploy("broken")
    waits = []
    for _ in range(10):
        await plane.settle()
        refusal = plane._components.deployed.refused[1]
        waits.append((refusal.retry_at - refusal.refused_at).total_seconds())
        clock.now = refusal.retry_at
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1200, 1200]
