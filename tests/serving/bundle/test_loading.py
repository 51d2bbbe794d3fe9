"""A stored bundle whose model.yaml is damaged is refused with the reason, at the start and at a live swap."""

import shutil
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from serving.bundle import loading
from serving.bundle.loading import PlacedBundle, bento_folder
from serving.plane import LivePlane
from serving.steps.table import Column
from tests.serving.words import BagOfWords
from training.params import Params

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")

DAMAGED = {
    "empty": b"",
    "cut": b"name: shortlist\nversion: broken\nmodule: ''\nlab",
    "no YAML": b"{[: \x00\xff",
    "another kind": b"- a\n- list\n",
    "a word": b"word",
    "wrong types": b"name: [1]\nversion: {}\nmodule: 3\ncreation_time: never\n",
}


def put(bundle: Path) -> Path:
    """Store a bundle under its folder's name; gives its model.yaml."""
    import bentoml

    with bentoml.models.create(f"shortlist:{bundle.name}") as model:
        shutil.copytree(bundle, Path(model.path) / "bundle")
    return Path(bentoml.models.get(model.tag).path) / "model.yaml"


@pytest.mark.parametrize("content", list(DAMAGED.values()), ids=list(DAMAGED))
def test_a_damaged_description_is_a_lookup_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken").mkdir()
    file = put(tmp_path / "broken")
    assert bento_folder("shortlist:broken").is_dir()
    file.write_bytes(content)
    with pytest.raises(LookupError, match="shortlist:broken"):
        bento_folder("shortlist:broken")


async def test_the_previous_bundle_serves_at_the_start_and_at_a_swap(
    shop: list[str], pool: asyncpg.Pool, small_params: Params, deploy: Any
) -> None:
    async def start() -> LivePlane:
        return await LivePlane.open(
            pool, small_params, encoder=BagOfWords(), locate=lambda tag: bento_folder(f"shortlist:{tag}")
        )

    put(deploy("first"))
    running = await start()
    put(deploy("second", seed=1)).write_bytes(b"")
    await running.settle()
    started = await start()
    for worker in (running, started):
        assert worker.bundle_id == "first"
        (refused,) = (await worker.status())["bundle"]["refused"]
        assert refused["bundle_id"] == "second" and "model.yaml" in refused["reason"]
        await worker.close()


async def test_whatever_a_bundle_raises_it_is_refused(
    plane: LivePlane, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("first")
    await plane.settle()
    for number, error in enumerate((TypeError("a"), AttributeError("b"), EOFError(), AssertionError("d"))):

        def fail(_: Path, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as broken:
            broken.setattr(loading, "load_bundle", fail)
            deploy(f"bad{number}", seed=1)
            await plane.settle()
        assert plane.bundle_id == "first"
    assert len(plane._components.deployed.refused) >= 1


@pytest.mark.parametrize(
    "rows", [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 2, 5]], ids=["in order", "mixed", "gaps"]
)
@pytest.mark.parametrize("more", [0, 2])
def test_what_a_bundle_says_is_the_same_with_and_without_its_rows(rows: list[int], more: int) -> None:
    values, placed = np.array([3, 0, 5, 4], dtype=np.float32), np.array(rows, dtype=np.int32)
    dense = np.full(max(rows) + 1, -1, dtype=np.int32)
    dense[placed] = np.arange(4)
    bundle, n_rows = PlacedBundle(None, placed, dense), max(rows) + 1 + more  # type: ignore[arg-type]
    every = bundle.places(n_rows)
    assert (every[0] is None and every[1] is None) == (rows == [0, 1, 2, 3] and not more)
    plain, found = Column(values, placed, dense), Column(values, *every)
    allowed, identity = np.ones(n_rows, dtype=np.bool_), np.arange(n_rows, dtype=np.uint64)
    asked = np.arange(n_rows, dtype=np.int32)[::-1]
    assert found.dense(n_rows).tolist() == plain.dense(n_rows).tolist()
    assert found.at(asked, n_rows).tolist() == plain.at(asked, n_rows).tolist()
    assert found.best(2, allowed, identity).tolist() == plain.best(2, allowed, identity).tolist()
