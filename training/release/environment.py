"""What a bundle was computed by: Python, the libraries that compute, and the processor as they see it."""

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "implicit",
    "faiss-cpu",
    "mlxtend",
    "pyarrow",
    "torch",
    "sentence-transformers",
)

_WITH_BLAS = ("numpy", "scipy.linalg", "faiss")
"""Modules that bring a BLAS and compute a bundle: EASE is solved by SciPy's, FAISS clusters by its own."""


def describe_environment() -> dict[str, Any]:
    """What decides how a sum is rounded, as JSON.

    `python`, `machine`; `libraries`: version by name; `cpu_features`: what numpy found beyond its baseline;
    `blas`: version, kernel and threads of each BLAS, numpy's, SciPy's and FAISS's.
    """
    import numpy as np

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu_features": sorted({*simd["baseline"], *simd["found"]}),
        "blas": _blas(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def compare_environments(built: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was when a bundle was built, a phrase each; empty for a bundle that did not say.

    >>> compare_environments({"libraries": {"numpy": "2.1"}}, {"libraries": {"numpy": "2.2"}})
    ['numpy was 2.1, is 2.2']
    """
    before, after = _flat(built), _flat(now)
    return [
        f"{name} was {value}, is {after.get(name, 'not there')}"
        for name, value in before.items()
        if value != after.get(name)
    ]


def _flat(environment: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, dict):
            flat |= {str(key): str(each) for key, each in value.items()}
        else:
            flat[name.replace("_", " ")] = "; ".join(value) if isinstance(value, list) else str(value)
    return flat


def _blas() -> list[str]:
    """Asked of a fresh process: the models were not fitted by all that this one has imported or limited."""
    listed = subprocess.run(
        [sys.executable, "-m", "threadpoolctl", "-i", *_WITH_BLAS], capture_output=True, text=True, check=True
    )
    return sorted(
        f"{found['internal_api']} {found['version']}, {found.get('architecture', 'unknown')} kernels, "
        f"{found['num_threads']} threads"
        for found in json.loads(listed.stdout)
        if found["user_api"] == "blas"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
