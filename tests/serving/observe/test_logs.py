"""SHORTLIST_LOG_LEVEL decides what the service writes, and nothing is written twice."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from database.settings import REPOSITORY, Settings

PROGRAM = """
import logging, sys
logging.basicConfig()
from serving.observe.logs import write_logs
write_logs(sys.argv[1])
write_logs(sys.argv[1])
for level in ("debug", "info", "warning", "error"):
    getattr(logging.getLogger("serving.plane"), level)(level)
logging.getLogger("httpx").info("not ours")
"""


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("DEBUG", ["debug", "info", "warning", "error"]),
        ("INFO", ["info", "warning", "error"]),
        ("ERROR", ["error"]),
    ],
)
def test_the_level_is_that_of_the_settings(level: str, written: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == written


def test_any_case_is_read_and_an_unknown_level_is_named() -> None:
    assert Settings(_env_file=None, log_level="warning").log_level == "WARNING"
    with pytest.raises(ValidationError, match="log_level"):
        Settings(_env_file=None, log_level="loud")
