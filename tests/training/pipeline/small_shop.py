"""A shop of two tastes, prepared in memory, and a workspace in which everything was learned from it."""

import json
from pathlib import Path

import numpy as np
import yaml

from database.settings import REPOSITORY
from training.data.prepared import Prepared
from training.data.split import DAY
from training.data.workspace import Workspace
from training.models.core.data import Catalogue, Events
from training.models.core.vocabulary import Vocabulary
from training.models.registry import names
from training.pipeline.stages import run_stage
from training.tracking.lineage import Lineage

LINEAGE = Lineage("a" * 32 + ".dir", "0123456789abcdef", "c" * 40)


def shop() -> Prepared:
    """60 users of two tastes over 12 days, 30 items; the last of the users come on the last day only."""
    generator = np.random.default_rng(1)
    user = np.concatenate([np.tile(np.arange(50), 12), np.arange(50, 60)]).astype(np.int32)
    item = (generator.integers(0, 15, len(user)) * 2 + user % 2).astype(np.int32)
    time = np.concatenate([np.repeat(np.arange(12), 50), np.full(10, 11)]).astype(np.int64) * DAY
    return Prepared(
        items=Vocabulary.build(f"i{i:02d}" for i in range(30)),
        users=Vocabulary.build(f"u{i:02d}" for i in range(60)),
        events=Events(user, item, np.ones(len(user), dtype=np.float32), time),
        basket_item=item,
        basket_row=np.arange(len(item), dtype=np.int32) // 4,
        basket_time=time,
        basket_event=np.arange(len(item), dtype=np.int32),
        catalogue=Catalogue(tuple(f"thing {i % 5}" for i in range(30)), ("",) * 30, ("",) * 30),
        vectors=np.eye(30, dtype=np.float32),
    )


def learned(folder: Path) -> Workspace:
    """Every model fitted and measured, and the bundle of them."""
    found = Workspace(folder)
    text = (REPOSITORY / "params.yaml").read_text()
    for days in ("validation_days", "test_days"):
        text = text.replace(f"{days}: 28", f"{days}: 2")
    found.params_file.write_text(text.replace("bootstrap_samples: 1000", "bootstrap_samples: 100"))
    found.prepared.mkdir(parents=True)
    shop().save(found.prepared)
    found.snapshot.mkdir()
    rows = {"items": 30, "interactions": 610}
    content = {"as_of": "2026-11-01T00:00:00+00:00", "catalogue_seq": 3, "interaction_id": 610, "rows": rows}
    (found.snapshot / "snapshot.json").write_text(json.dumps(content))
    found.snapshot_pointer.write_text(yaml.safe_dump({"outs": [{"md5": LINEAGE.snapshot}]}))
    for name in (*names(scope="bundle"), "evaluate", "bundle"):
        run_stage(name, found)
    return found
