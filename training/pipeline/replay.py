"""`python -m training.pipeline.replay BUNDLE`: rebuild a bundle from its manifest, and say if it is the same.

The manifest suffices: it names the snapshot by its DVC hash, and holds the params, the seed in them, the
commit of the code, and a hash of every file. The snapshot comes from DVC's cache, or its remote where
one is set up. All of it happens in a temporary workspace; nothing that serves is touched.
"""

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import yaml

from database.connection import connect
from database.deployments import find_manifest
from database.settings import Settings, get_settings
from training.data.snapshot import DvcError, check_out_snapshot
from training.data.workspace import Workspace, open_workspace, replaced
from training.models.bundle import Manifest, manifest_of
from training.models.core.base import Query
from training.models.registry import load_model
from training.params import Params, ParamsError, load_params
from training.pipeline.stages import run_stage
from training.release.bundle import assemble, find_stored, git_commit

logger = logging.getLogger(__name__)

ASKED = 100
"""Histories that both bundles are asked with when their files differ."""
LENGTH = 10
HISTORY = 5


class ReplayError(Exception):
    """A bundle can't be rebuilt: it is unknown, its snapshot is gone, or its params are of other code."""


@dataclass(frozen=True)
class Replay:
    """The rebuilt bundle compared with the manifest."""

    bundle_id: str
    rebuilt_id: str
    files: int
    different: tuple[str, ...]
    """Files that are not the same, that are missing, or that are new."""
    metrics: tuple[str, ...]
    """Models whose metrics are not the same."""
    same_lists: Mapping[str, float] | None
    """model → share of equal lists of the asked; None when the files are the same, or the store lost it."""
    commit: str
    """Commit that made the bundle."""
    commit_now: str

    @property
    def identical(self) -> bool:
        """Whether every file, and so every list, is the same to the byte."""
        return not self.different and not self.metrics

    def lines(self) -> list[str]:
        """The outcome in words."""
        if self.identical:
            return [
                f"Bundle {self.bundle_id} was rebuilt as {self.rebuilt_id}: identical.",
                f"All {self.files} files are the same to the byte, so every list is; metrics agree.",
            ]
        lines = [f"Bundle {self.bundle_id} was rebuilt as {self.rebuilt_id}: NOT identical."]
        lines += [f"  differs: {name}" for name in (*self.different, *self.metrics)]
        lists = self.same_lists or {}
        lines += [f"  {name}: {share:.0%} of {ASKED} lists are the same" for name, share in lists.items()]
        if self.commit != self.commit_now:
            lines.append(f"  it was made by commit {self.commit}; this is {self.commit_now}.")
        return lines


def replay(settings: Settings, bundle_id: str, folder: Path) -> Replay:
    """Rebuild a bundle in `folder`, which must be empty, and compare.

    Raises:
        ReplayError: the bundle is unknown, its snapshot is in neither cache nor remote, or its params are
            refused by this code.
    """
    stored = find_stored(settings, bundle_id)
    manifest = read_any_manifest(settings, bundle_id) if stored is None else manifest_of(stored.manifest)
    workspace = _rebuild(manifest, open_workspace(settings), folder)
    rebuilt = json.loads((workspace.bundle / "manifest.json").read_text())
    names = sorted(manifest.files.keys() | rebuilt["files"].keys())
    different = tuple(name for name in names if manifest.files.get(name) != rebuilt["files"].get(name))
    metrics = tuple(
        f"metrics of {name}"
        for name, entry in manifest.models.items()
        if entry["metrics"] != rebuilt["models"][name]["metrics"]
    )
    lists = None if stored is None or not different else same_lists(stored.path, workspace.bundle, manifest)
    return Replay(
        bundle_id=bundle_id,
        rebuilt_id=rebuilt["bundle_id"],
        files=len(manifest.files),
        different=different,
        metrics=metrics,
        same_lists=lists,
        commit=manifest.git_commit,
        commit_now=git_commit(),
    )


def read_any_manifest(settings: Settings, bundle_id: str) -> Manifest:
    """The manifest that the database kept of a bundle that served.

    Raises:
        ReplayError: no bundle of that id ever served.
    """
    with connect(settings) as conn:
        found = find_manifest(conn, bundle_id)
    if found is None:
        raise ReplayError(f"bundle {bundle_id} is neither in the store nor among the deployments")
    return manifest_of(found)


def same_lists(one: Path, other: Path, manifest: Manifest) -> dict[str, float]:
    """model → share of ASKED random histories for which both bundles give the same list."""
    found = {}
    for name in manifest.models:
        first, second = load_model(name, one / name), load_model(name, other / name)
        if first.n_items != second.n_items:
            found[name] = 0.0
            continue
        generator = np.random.default_rng(manifest.params["seed"])
        size = min(HISTORY, first.n_items)
        equal = 0
        for _ in range(ASKED):
            items = np.sort(generator.choice(first.n_items, size, replace=False)).astype(np.int32)
            query = Query(items, np.ones(size, dtype=np.float32), items)
            equal += np.array_equal(first.recommend(query, LENGTH)[0], second.recommend(query, LENGTH)[0])
        found[name] = equal / ASKED
    return found


def _rebuild(manifest: Manifest, source: Workspace, folder: Path) -> Workspace:
    workspace = Workspace(folder)
    workspace.params_file.write_text(yaml.safe_dump(manifest.params, sort_keys=False))
    params = _params(workspace.params_file)
    try:
        check_out_snapshot(source, workspace, manifest.snapshot_hash)
    except DvcError as error:
        raise ReplayError(f"snapshot {manifest.snapshot_hash} can't be had: {error}") from error
    for name in ("prepare", *manifest.models):
        run_stage(name, workspace)
    with replaced(workspace.bundle) as target:
        assemble(workspace, tuple(manifest.models), params, target)
    return workspace


def _params(path: Path) -> Params:
    try:
        return load_params(path)
    except ParamsError as error:
        raise ReplayError(f"the bundle's params are of other code: {error}") from error


@click.command()
@click.argument("bundle_id")
def main(bundle_id: str) -> None:
    """Rebuild the bundle BUNDLE_ID; exit 0 when it is identical, 1 when it is not."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s")
    with tempfile.TemporaryDirectory(prefix="shortlist-replay-") as folder:
        try:
            outcome = replay(settings, bundle_id, Path(folder))
        except ReplayError as error:
            raise click.ClickException(str(error)) from error
    for line in outcome.lines():
        click.echo(line)
    if not outcome.identical:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
