"""What a worker loads before it answers: nothing that takes long and that lists do without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from database.settings import REPOSITORY

SLOW = {
    "airflow",
    "circus",
    "great_expectations",
    "implicit",
    "mlflow",
    "mlxtend",
    "optuna",
    "pandas",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
}
"""Packages that a worker never needs, or that another process has: seconds of loading, and memory."""

LOADED = """
import json, sys
from dataclasses import fields
from serving.bundle.loading import Models, bento_folder
from serving.components import reach_encoder
from serving.service import Shortlist
from training.models.registry import algorithm
from training.params import load_params

Shortlist.inner()
encoder = reach_encoder(load_params())
for each in fields(Models):
    algorithm(each.name)
try:
    bento_folder("shortlist-bundle:none")
except LookupError:
    pass
print(json.dumps([encoder.dimension, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.slow
def test_a_worker_loads_only_what_lists_need(tmp_path: Path) -> None:
    home = {"SHORTLIST_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path / "bentoml")}
    variables = {
        **home,
        "SHORTLIST_ENCODER_SOCKET": str(tmp_path / "encoder"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    told = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=REPOSITORY,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    dimension, loaded = json.loads(told.stdout.splitlines()[-1])
    assert dimension == 384
    assert SLOW.isdisjoint(loaded), sorted(SLOW.intersection(loaded))
