"""Spreadsheets (xlsx, xls, ods): a sheet as rows of texts."""

from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from database.ingest.chunk import WrongFormatError
from database.ingest.decoding import is_zip, starts_with, zip_members
from database.ingest.typed_numbers import TypedNumber

_OLD = b"\xd0\xcf\x11\xe0"  # xls


def is_sheet(path: Path) -> bool:
    """Whether the file is a spreadsheet, by what is in it."""
    if starts_with(path, _OLD):
        return True
    return is_zip(path) and any(name in {"xl/workbook.xml", "content.xml"} for name in zip_members(path))


def sheet_rows(path: Path, name: str | None) -> tuple[str, str, Iterator[list[str | None]]]:
    """The sheet of that name, or the first: its name, what to say of it, and its rows.

    Raises WrongFormatError when it can't be read, or there is none of that name.
    """
    try:
        book = CalamineWorkbook.from_path(path)
        names = list(book.sheet_names)
        if name is not None and name not in names:
            raise WrongFormatError(f"{path}: no sheet {name}; its sheets are {', '.join(names)}")
        read = names[0] if name is None else name
        sheet = book.get_sheet_by_name(read)
    except (CalamineError, OSError, IndexError) as error:
        again = "save it again, or as CSV"
        raise WrongFormatError(f"{path}: not a readable spreadsheet: {error}; {again}") from error
    rows = ([_text(value) for value in row] for row in sheet.iter_rows())
    return read, _in_words(read, names), rows


def _in_words(read: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"the sheet {read} is read"
    others = ", ".join(name for name in names if name != read)
    place = f"sheet {names.index(read) + 1} of {len(names)}"
    return f"{place} is read: {read}; --sheet NAME reads another: {others}"


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))  # a spreadsheet has no other numbers than fractions
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float):
        return TypedNumber(value)
    return str(value) or None
