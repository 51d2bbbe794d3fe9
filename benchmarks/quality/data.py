"""Files as a workspace of their own, by the product's own path: ingestion, export, preparation."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.temporary_database import temporary_database
from database import columns
from database.export import export_snapshot
from database.ingest import ADAPTERS, ingest_file
from database.settings import REPOSITORY
from training.data.preparation import prepare
from training.data.prepared import Prepared
from training.data.workspace import Workspace, replaced
from training.models.core.encoder import Encoder
from training.params import Params, load_params


def make_workspace(files: Sequence[tuple[str, Path]], until: datetime | None, folder: Path) -> Prepared:
    """Load files into a temporary database, and prepare in `folder` what it then holds.

    Args:
        files: adapter and path of each.
        until: what happened from then on, and items first met from then on, are left out.
        folder: becomes a workspace; its params.yaml is the checkout's unless it has one.
    """
    workspace = Workspace(folder)
    workspace.data.mkdir(parents=True, exist_ok=True)
    for file in (workspace.params_file, folder / "dvc.yaml"):
        if not file.exists():
            shutil.copyfile(REPOSITORY / file.name, file)
    params = load_params(workspace.params_file)
    with replaced(workspace.snapshot) as draft:
        _export(files, params, draft)
        if until is not None:
            cut(draft, until)
    prepared = prepare(workspace.snapshot, params.interactions, params.embeddings.model)
    with replaced(workspace.prepared) as draft:
        prepared.save(draft)
    return prepared


def _export(files: Sequence[tuple[str, Path]], params: Params, folder: Path) -> None:
    encoder = Encoder(params.embeddings.model)
    with temporary_database() as (_, conn):
        for adapter, path in files:
            ingest_file(conn, ADAPTERS[adapter], path, encoder=encoder)
        export_snapshot(conn, folder)


def cut(folder: Path, until: datetime) -> None:
    """Make an export what it would have been at `until`."""
    interactions = pq.read_table(folder / "interactions.parquet")
    moment = pa.scalar(until, interactions[columns.OCCURRED_AT].type)
    interactions = interactions.filter(pc.less(interactions[columns.OCCURRED_AT], moment))
    items = pq.read_table(folder / "items.parquet")
    items = items.filter(pc.is_in(items[columns.ITEM_ID], pc.unique(interactions[columns.ITEM_ID])))
    pq.write_table(interactions, folder / "interactions.parquet")
    pq.write_table(items, folder / "items.parquet")
