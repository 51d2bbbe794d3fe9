"""The client as a package of its own: it builds, is typed, and needs nothing of the platform."""

import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from database.settings import REPOSITORY


@pytest.mark.slow
def test_the_client_installs_alone(tmp_path: Path) -> None:
    source, site = tmp_path / "client", tmp_path / "site"
    shutil.copytree(REPOSITORY / "client", source, ignore=shutil.ignore_patterns("__pycache__", "build"))
    pip = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--offline"]
    alone = ["--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *alone, str(source)], check=True, cwd=tmp_path)
    (found,) = Distribution.discover(path=[str(site)])
    assert found.name == "shortlist-client" and found.requires == ["httpx", "tenacity"]
    assert (site / "shortlist_client" / "py.typed").is_file()
    code = (
        "import sys, shortlist_client as s; s.Shortlist('http://localhost').close(); "
        "assert s.__file__.startswith(sys.argv[1]), s.__file__; "
        "assert not {'client', 'serving', 'database', 'training'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code, str(site)]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
