"""The installed client calls a service from a bare environment with what it requires and nothing else."""

import re
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement

from database.settings import REPOSITORY

_CALLS = """
import asyncio, sys
from importlib.util import find_spec
from shortlist_client import AsyncShortlist, NotFound, Shortlist

address = sys.argv[1]
assert not [each for each in ("numpy", "pydantic", "serving", "client") if find_spec(each)]
with Shortlist(address) as shop:
    shop.put_items([{"id": f"alone-{n}", "title": f"Kettle number {n}", "price": 5 + n} for n in range(3)])
    shop.put_users([{"id": "alone", "interests": ["kettle"]}])
    found = shop.search_items("kettle", n=2)
    assert [each["title"].split()[0] for each in found["items"]] == ["Kettle", "Kettle"], found
    event = {"type": "view", "user_id": "alone", "item_id": "alone-1"}
    assert shop.log_event(event)["stored"] == 1
    try:
        shop.get_item("alone-none")
    except NotFound:
        pass
    else:
        raise AssertionError("an item that is not there was found")

async def ask():
    async with AsyncShortlist(address) as shop:
        return await shop.recommend("alone", n=3)

assert asyncio.run(ask())["recommendation_id"]
"""


def with_required(name: str) -> set[str]:
    """A distribution's name and those of all that it requires."""
    found = {name}
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= with_required(requirement.name)
    return found


@pytest.mark.slow
def test_the_client_calls_a_service_from_an_environment_of_its_own(
    addresses: tuple[str, str], tmp_path: Path
) -> None:
    """Its requirements are copied, not fetched: no test needs a registry."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    (site,) = (tmp_path / "bare" / "lib").glob("python*/site-packages")
    copytree(
        REPOSITORY / "client",
        tmp_path / "client",
        ignore=ignore_patterns("__pycache__", "build", "*.egg-info"),
    )
    pip = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--offline"]
    alone = ["--no-deps", "--no-build-isolation", "--target", str(site), str(tmp_path / "client")]
    subprocess.run([*pip, *alone], check=True, cwd=tmp_path)
    (metadata,) = site.glob("shortlist_client-*.dist-info/METADATA")
    named = re.findall(r"^Requires-Dist: (\S+)$", metadata.read_text(), re.MULTILINE)
    for name in {each for one in named for each in with_required(one)}:
        for file in distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.suffix != ".pyc":
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                (site / file).write_bytes(source.read_bytes())
    subprocess.run([str(python), "-I", "-c", _CALLS, addresses[0]], check=True, cwd=tmp_path, timeout=300)
