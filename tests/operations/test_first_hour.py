"""docs/first-hour.md on files with awkward ids: every command of the page, one after the other."""

import csv
import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
import pytest

from database.settings import REPOSITORY, Settings
from operations.supervisor import Supervisor
from tests.operations.measured import python_m

pytestmark = pytest.mark.platform
PAGE = REPOSITORY / "docs" / "first-hour.md"
AWKWARD = ("kunde 7", "Zoë/№9", "o'neil@example.com", "0007", "8a6e0804-2bd0-4672-b79d-d97027f9", 'say "hi"')
DAYS, USERS, ITEMS = 50, 80, 40


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The page's `python` is this one, which finds the checkout from any folder."""
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return environment | {"PATH": path, "PYTHONPATH": str(REPOSITORY)}


def item(number: int) -> str:
    return f"SKU {number}/2" if number % 3 else f'{number}" Ö'


def write_files(folder: Path) -> None:
    """A shop whose users like the even or the odd items; semicolons, decimal commas, three bad rows."""
    random, now = Random(24), datetime.now(UTC)
    with (folder / "products.csv").open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["Article ID", "Name", "Price", "Category"])
        for number in range(ITEMS):
            kind = ("lamp", "chair")[number % 2]
            price = f"{5 + number},{number:02}"
            rows.writerow([item(number), f"{kind.title()} no. {number}", price, f"Home > {kind}"])
        rows.writerow(["nameless", "", "1,00", ""])
    with (folder / "orders.csv").open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["Customer-ID", "ProductID", "Event", "Time"])
        for user in range(USERS):
            name = AWKWARD[user] if user < len(AWKWARD) else f"user-{user}"
            for day in range(user % 3, DAYS, 3):
                number = 2 * min(random.randrange(ITEMS // 2), random.randrange(ITEMS // 2)) + user % 2
                time = now - timedelta(days=DAYS - day, minutes=user)
                rows.writerow(
                    [name, item(number), ("view", "addtocart", "transaction")[day % 3], time.isoformat()]
                )
        rows.writerow(["kunde 7", item(0), "view", "yesterday"])
        rows.writerow(["kunde 7", item(0), "stared at", now.isoformat()])


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


def without_make(command: str) -> str:
    """What a target of the Makefile runs, by this Python."""
    if not command.startswith("make "):
        return command
    words = ["make", "--silent", "--dry-run", "-C", str(REPOSITORY), *shlex.split(command)[1:]]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    *_, last = (
        subprocess.run(words, capture_output=True, text=True, check=True, env=clean)
        .stdout.strip()
        .splitlines()
    )
    assert last.startswith("exec .venv/bin/python -m "), last
    return last.replace("exec .venv/bin/python -m", shlex.join(python_m()))


def eventually_no_item_lacks_its_vector(settings: Settings) -> None:
    """Nobody asked for vectors: the running service makes them."""
    give_up = time.monotonic() + 600
    while True:
        status = httpx.get(f"http://127.0.0.1:{settings.service_port}/status", timeout=60).json()
        found = status["similarity_search"]
        if (found["n_vectors"], found["items_without_vector"]) == (ITEMS, 0):
            return
        assert time.monotonic() < give_up, found
        time.sleep(0.5)


def test_every_command_of_the_page_does_what_it_says(
    environment: dict[str, str], supervisor: Supervisor, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    write_files(folder)

    def run(block: str) -> str:
        block = block.replace("127.0.0.1:3000", f"127.0.0.1:{settings.service_port}")
        block = block.replace("source .venv/bin/activate", "true").replace(
            "curl ", "curl --fail-with-body -sS "
        )
        script = "\n".join(without_make(line) for line in block.splitlines())
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    start, look, load, train, ask, log = blocks()
    assert "The database is empty" in run(start)
    seen = run(look)
    assert "41 rows read: 40 usable, 1 rejected" in seen and "item_id is read from Article ID" in seen
    assert "user_id is read from Customer-ID" in seen and "stared at" in seen
    loaded = run(load)
    assert "40 new" in loaded and "unknown event type" in loaded and "no readable timestamp" in loaded
    eventually_no_item_lacks_its_vector(settings)

    trained = run(train)
    assert "The models on this data" in trained and "The blend against popularity: +" in trained
    assert "not learned on this data" in trained and "too short" in trained
    commands = re.findall(r"^  \$ (curl .*)$", trained, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        assert '"title":' in run(command), command

    popular, found = run(ask).replace("}{", "}\n{").splitlines()
    assert '"items":[{' in popular.replace(" ", "")
    assert "Lamp" in found
    assert "Chair" in run(log)
