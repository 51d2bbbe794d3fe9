"""Spreadsheets (xlsx, xls, ods): the first sheet as rows of texts."""

from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from database.ingest.chunk import WrongFormatError
from database.ingest.decoding import is_zip, starts_with, zip_members

_OLD = b"\xd0\xcf\x11\xe0"  # xls


def is_sheet(path: Path) -> bool:
    """Whether the file is a spreadsheet, by what is in it."""
    if starts_with(path, _OLD):
        return True
    return is_zip(path) and any(name in {"xl/workbook.xml", "content.xml"} for name in zip_members(path))


def sheet_rows(path: Path) -> tuple[str, Iterator[list[str | None]]]:
    """Name of the first sheet, and its rows from the first that isn't empty.

    Raises WrongFormatError when it can't be read, or is empty.
    """
    try:
        book = CalamineWorkbook.from_path(path)
        sheet = book.get_sheet_by_index(0)
    except (CalamineError, OSError) as error:
        raise WrongFormatError(f"{path}: not a readable spreadsheet: {error}") from error
    rows = ([_text(value) for value in row] for row in sheet.iter_rows())
    return book.sheet_names[0], rows


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))  # a spreadsheet has no other numbers than fractions
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) or None
