"""Forms that are the same in every module."""

import re
from pathlib import Path

from database.settings import REPOSITORY
from tests.test_imports import ROOMS

SOURCES = sorted(path for folder in ROOMS for path in (REPOSITORY / folder).rglob("*.py"))


def _found(pattern: str) -> list[Path]:
    return [path for path in SOURCES if re.search(pattern, path.read_text(), re.MULTILINE)]


def test_a_modules_logger_is_called_logger() -> None:
    assert _found(r"^(?!logger = )\w+ = logging\.getLogger\(") == []


def test_a_docstring_says_in_a_sentence_what_is_raised() -> None:
    assert _found(r"^\s*Raises:") == []


def test_a_file_that_is_read_in_batches_is_not_buffered_whole_by_pyarrow() -> None:
    """Its default is to hold the bytes of all columns that are read from the first batch on."""
    assert _found(r"ParquetFile\((?!.*pre_buffer=False)") == []
