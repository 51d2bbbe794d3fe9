"""`python -m training.pipeline.replay BUNDLE`: rebuild a bundle from its manifest, and say if it is the same.

The same processor gives the same bytes, save for EASE of more items than one thread solves. On another one
sums are rounded in another order: a bundle whose models score alike within `SCORES` and `LISTS`, and whose
metrics agree within `METRICS`, is the same save for rounding.

The manifest suffices: it names the snapshot by its DVC hash, and holds the params, the seed in them, the
commit of the code, and a hash of every file. The snapshot comes from DVC's cache, or its remote where
one is set up. All of it happens in a temporary workspace; nothing that serves is touched.
"""

import json
import logging
import math
import tempfile
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import yaml

from database.command_line import errors_as_messages
from database.connection import connect
from database.deployments import find_manifest
from database.settings import Settings, get_settings
from training.data.snapshot import DvcError, check_out_snapshot
from training.data.workspace import Workspace, open_workspace, replaced
from training.errors import TrainingError
from training.models.bundle import Manifest, manifest_of
from training.models.core.base import Query
from training.models.registry import load_model
from training.params import Params, ParamsError, load_params
from training.params.changes import rename_old_keys
from training.pipeline.stages import run_stage
from training.release.bundle import EVALUATION, assemble, find_stored, git_commit
from training.release.environment import compare_environments, describe_environment

ASKED = 100
"""Histories that both bundles are asked with when their files differ."""
LENGTH = 10
HISTORY = 5

SCORES = 0.01
"""Mean difference between the scores of the same history, over the mean size of the scores: rounding is some
1e-6; where it decides which of two equal weights a model keeps, some 1e-4."""
LISTS = 0.95
"""Share of lists that have to be the same: items that score alike within rounding change places."""
METRICS = 0.002
"""Difference between metrics, which are shares, that some such changes make."""


class ReplayError(TrainingError):
    """A bundle can't be rebuilt: it is unknown, its snapshot is gone, or its params are of other code."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models said of the same histories."""

    lists: float
    """Share of lists that are equal."""
    scores: float
    """Mean difference of the scores over their mean size."""

    @property
    def alike(self) -> bool:
        """Whether they differ by rounding only."""
        return self.lists >= LISTS and self.scores <= SCORES


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
    compared: Mapping[str, "Comparison"] | None
    """model → what both say of the asked; None when the files are the same, or the store lost it."""
    other_files: bool
    """Whether a file differs that is none of a model's arrays and settings, or one is missing."""
    commit: str
    """Commit that made the bundle."""
    commit_now: str
    environment: tuple[str, ...] = ()
    """Libraries and features of the processor that are not those that the bundle was built with."""

    @property
    def identical(self) -> bool:
        """Whether every file, and so every list, is the same to the byte."""
        return not self.different and not self.metrics

    @property
    def same(self) -> bool:
        """Whether it is the same to the byte, or save for rounding."""
        if self.identical:
            return True
        if self.other_files or self.metrics or self.compared is None:
            return False
        return all(found.alike for found in self.compared.values())

    def lines(self) -> list[str]:
        """The outcome in words."""
        if self.identical:
            return [
                f"Bundle {self.bundle_id} was rebuilt as {self.rebuilt_id}: identical.",
                f"All {self.files} files are byte-identical and the metrics agree.",
            ]
        verdict = "the same, save for rounding" if self.same else "NOT identical"
        lines = [f"Bundle {self.bundle_id} was rebuilt as {self.rebuilt_id}: {verdict}."]
        lines += [f"  differs: {name}" for name in (*self.different, *self.metrics)]
        lines += [
            f"  {name}: {found.lists:.0%} of {ASKED} lists are the same; scores differ by {found.scores:.1g}"
            for name, found in (self.compared or {}).items()
        ]
        if self.commit != self.commit_now:
            lines.append(f"  built by commit {self.commit}; this is commit {self.commit_now}.")
        lines += [f"  built elsewhere: {difference}" for difference in self.environment]
        return lines


def replay(settings: Settings, bundle_id: str, folder: Path) -> Replay:
    """Rebuild a bundle in `folder`, which must be empty, and compare.

    Raises ReplayError when the bundle is unknown, its snapshot is in neither cache nor remote, or its params
    are refused by this code.
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
        if not agree(entry["metrics"], rebuilt["models"][name]["metrics"])
    )
    models = {f"{folder}{name}" for name in manifest.models for folder in ("", f"{EVALUATION}/")}
    changed = folders_of(different)
    compared = None
    if stored is not None and different:
        asked = sorted(changed & models | set(manifest.models))
        compared = {
            name: compare(stored.path / name, workspace.bundle / name, manifest.params["seed"])
            for name in asked
        }
    return Replay(
        bundle_id=bundle_id,
        rebuilt_id=rebuilt["bundle_id"],
        files=len(manifest.files),
        different=different,
        metrics=metrics,
        compared=compared,
        other_files=other_files_differ(models, different, manifest.files.keys() - rebuilt["files"].keys()),
        commit=manifest.git_commit,
        commit_now=git_commit(),
        environment=tuple(compare_environments(manifest.environment, describe_environment())),
    )


def folders_of(files: Iterable[str]) -> set[str]:
    """The folders in which files of a bundle lie, "" for the bundle's own."""
    return {name.rpartition("/")[0] for name in files}


def other_files_differ(models: Set[str], different: Iterable[str], missing: Set[str]) -> bool:
    """Whether files that say nothing of how models score are different, or any is missing.

    A file that is new in a model's folder is no such: a later version stores more of that model, and whether
    it is the same is told by what it says.

    >>> [other_files_differ({"als"}, [name], set()) for name in ("als/gram.npy", "items.npy")]
    [False, True]
    """
    return bool(missing) or not folders_of(different) <= models


def read_any_manifest(settings: Settings, bundle_id: str) -> Manifest:
    """The manifest that the database kept of a bundle that served.

    Raises ReplayError when no bundle of that id ever served.
    """
    with connect(settings) as conn:
        found = find_manifest(conn, bundle_id)
    if found is None:
        raise ReplayError(f"bundle {bundle_id} is not in the store and was never deployed")
    return manifest_of(found)


def agree(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether the same metrics were measured, and none differs by more than rounding's changes make."""
    return one.keys() == other.keys() and all(
        one[name] == other[name] or math.isclose(one[name], other[name], rel_tol=METRICS, abs_tol=METRICS)
        for name in one
    )


def compare(one: Path, other: Path, seed: int) -> Comparison:
    """Ask two stored models of the same kind with ASKED random histories."""
    first, second = load_model(one.name, one), load_model(other.name, other)
    if first.n_items != second.n_items:
        return Comparison(0.0, math.inf)
    generator = np.random.default_rng(seed)
    size = min(HISTORY, first.n_items)
    equal, apart, whole = 0, 0.0, 0.0
    for _ in range(ASKED):
        items = np.sort(generator.choice(first.n_items, size, replace=False)).astype(np.int32)
        query = Query(items, np.ones(size, dtype=np.float32), items)
        equal += np.array_equal(first.recommend(query, LENGTH)[0], second.recommend(query, LENGTH)[0])
        scores, again = first.scores(query), second.scores(query)
        apart += float(np.abs(scores - again).sum(dtype=np.float64))
        whole += float(np.abs(scores).sum(dtype=np.float64))
    return Comparison(equal / ASKED, apart / whole if whole else apart and math.inf)


def _rebuild(manifest: Manifest, source: Workspace, folder: Path) -> Workspace:
    workspace = Workspace(folder)
    workspace.params_file.write_text(yaml.safe_dump(rename_old_keys(manifest.params), sort_keys=False))
    params = _params(workspace.params_file, manifest.git_commit)
    try:
        check_out_snapshot(source, workspace, manifest.snapshot_hash)
    except DvcError as error:
        raise ReplayError(f"snapshot {manifest.snapshot_hash} is not available: {error}") from error
    for name in ("prepare", *manifest.models):
        run_stage(name, workspace)
    with replaced(workspace.bundle) as target:
        assemble(workspace, tuple(manifest.models), params, target)
    return workspace


def _params(path: Path, commit: str) -> Params:
    try:
        return load_params(path)
    except ParamsError as error:
        raise ReplayError(
            f"the bundle's params do not fit this version: replay it with commit {commit} ({error})"
        ) from error


@click.command()
@click.argument("bundle_id")
@errors_as_messages(TrainingError)
def main(bundle_id: str) -> None:
    """Rebuild the bundle BUNDLE_ID; exit 0 when it is the same, save for rounding at most, else 1."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s")
    with tempfile.TemporaryDirectory(prefix="shortlist-replay-") as folder:
        outcome = replay(settings, bundle_id, Path(folder))
    for line in outcome.lines():
        click.echo(line)
    if not outcome.same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
