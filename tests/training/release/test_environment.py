"""What a bundle was computed by is told, and what has changed since."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.settings import REPOSITORY
from training.release.environment import compare_environments, describe_environment

ENVIRONMENTS = st.fixed_dictionaries(
    {
        "python": st.sampled_from(["3.11.7", "3.13.1"]),
        "cpu_features": st.sampled_from([["AVX2"], ["AVX2", "AVX512F"]]),
        "libraries": st.dictionaries(
            st.sampled_from(["numpy", "scipy", "torch"]), st.sampled_from(["1", "2"])
        ),
    }
)


def test_this_process_is_as_it_was() -> None:
    now = describe_environment()
    assert now["blas"] and now["libraries"]["numpy"] and now["cpu_features"]
    assert compare_environments(now, describe_environment()) == []


@pytest.mark.parametrize(
    "before",
    [
        "import faiss; faiss.omp_set_num_threads(1)",
        "import threadpoolctl as t; t.threadpool_limits(1)",
        "import torch",
    ],
    ids=["faiss", "limited", "torch"],
)
def test_what_a_process_did_before_changes_nothing(before: str) -> None:
    """One that had loaded FAISS, or had limited its threads, told of another environment than a fresh one."""
    module = describe_environment.__module__
    code = f"{before}; import json, {module} as told; print(json.dumps(told.describe_environment()))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout) == describe_environment()


@given(ENVIRONMENTS, ENVIRONMENTS)
def test_every_change_is_named_once(built: dict[str, Any], now: dict[str, Any]) -> None:
    changed = {name for name in ("python", "cpu_features") if built[name] != now[name]}
    before, after = built["libraries"], now["libraries"]
    changed |= {name for name, version in before.items() if after.get(name) != version}
    found = compare_environments(built, now)
    assert len(found) == len(changed)
    for name in changed:
        assert sum(phrase.startswith(f"{name.replace('_', ' ')} was ") for phrase in found) == 1


def test_a_library_that_is_gone_is_said_to_be() -> None:
    assert compare_environments({"libraries": {"torch": "2"}}, {"libraries": {}}) == [
        "torch was 2, is not there"
    ]


def test_of_a_bundle_that_did_not_say_nothing_has_changed() -> None:
    assert compare_environments({}, describe_environment()) == []
