"""A command that runs beside the processes: its output is kept and its error told."""

import sys
import threading
from pathlib import Path

import pytest

from operations.commands import run_once
from operations.environment import Layout
from operations.errors import StartError


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    found.logs.mkdir()
    return found


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_its_output_is_returned_and_kept(place: Layout) -> None:
    said = run_once(
        "say", python("import os; print(os.environ['WORD'])"), {"WORD": "tea"}, place, threading.Event()
    )
    assert said == (place.logs / "say.log").read_text() == "tea\n"


def test_its_error_is_told(place: Layout) -> None:
    with pytest.raises(StartError, match="'say' failed: ValueError: no tea") as raised:
        run_once("say", python("raise ValueError('no tea')"), {}, place, threading.Event())
    assert str(place.logs / "say.log") in str(raised.value)
