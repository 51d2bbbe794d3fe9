"""Reading a file without a database: what its adapter makes of it."""

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd
import pytest

from database.ingest import ADAPTERS, Options, interactions, items
from database.ingest.chunk import Chunk
from database.ingest.conventions import Conventions
from database.ingest.named_columns import Lines


@dataclass(frozen=True)
class Made:
    """All chunks of a file together."""

    rows: int
    items: pd.DataFrame
    interactions: pd.DataFrame
    rejected: pd.DataFrame
    nulled: Counter[str]
    notes: tuple[str, ...]
    questions: tuple[str, ...]

    def item(self, item_id: str) -> dict[str, Any]:
        """One item, null as None."""
        (row,) = self.items[self.items["item_id"] == item_id].to_dict("records")
        return {str(name): None if pd.isna(value) else value for name, value in row.items()}

    def refused(self) -> list[tuple[int, str]]:
        """Line and reason of each refused row, by line."""
        pairs = zip(self.rejected["line"], self.rejected["reason"], strict=True)
        return sorted((int(line), str(reason)) for line, reason in pairs)


def read_file(adapter: str, path: Path, options: Options | None = None) -> Made:
    """Read a file with the adapter of that name."""
    chunks = list(ADAPTERS[adapter].read(path, 0, options or Options()))

    def joined(name: str) -> pd.DataFrame:
        frames = [frame for chunk in chunks if (frame := getattr(chunk, name)) is not None]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    return Made(
        rows=sum(chunk.rows for chunk in chunks),
        items=joined("items"),
        interactions=joined("interactions"),
        rejected=joined("rejected"),
        nulled=sum((chunk.nulled for chunk in chunks), Counter()),
        notes=tuple(note for chunk in chunks for note in chunk.notes),
        questions=tuple(question for chunk in chunks for question in chunk.questions),
    )


@dataclass(frozen=True)
class ReadAlike:
    """What became of many files' rows, by the number of the file, in the order of its rows.

    `chunks` are what would be stored.
    """

    rows: Counter[int] = field(default_factory=Counter)
    kept: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    chunks: list[Chunk] = field(default_factory=list)


_NAMED = {"interactions": interactions, "items": items}
_APART = 1000  # more than a file has rows


def read_alike(adapter: str, files: Iterable[tuple[Path, Options]]) -> ReadAlike:
    """Read many small files whose items differ, most of the way together.

    Each is opened, decoded, taken apart and learnt from by itself. The rows of those that are to be read in
    the same way then are one chunk: what an adapter makes of a row does not depend on the chunk it stands in.
    """
    module, made = _NAMED[adapter], ReadAlike()
    alike: dict[Any, list[tuple[pd.DataFrame, Lines, Any]]] = defaultdict(list)

    def wait(frame: pd.DataFrame, lines: Lines, progress: float, *how: Any) -> Chunk:
        conventions, reading = sorted(how, key=lambda each: not isinstance(each, Conventions))
        keys = getattr(reading, "keyed", None), getattr(reading, "guests", None)
        key = tuple(frame.dtypes.astype("str").items()), replace(conventions, notes=()), keys
        alike[key].append((frame, _APART * number + np.arange(len(frame)), how))
        return Chunk(len(frame), progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_chunk", wait)
        for number, (path, options) in enumerate(files):
            for chunk in ADAPTERS[adapter].read(path, 0, options):
                made.rows[number] += chunk.rows
                if chunk.rejected is not None:
                    made.refused[number] += list(chunk.rejected["raw"])
    for parts in alike.values():
        frame = pd.concat([part for part, _, _ in parts], ignore_index=True)
        lines = np.concatenate([each for _, each, _ in parts])
        chunk = module._chunk(frame, lines, 1.0, *parts[0][2])
        made.chunks.append(chunk)
        rows = chunk.items if adapter == "items" else chunk.interactions
        assert rows is not None and chunk.rejected is not None
        for row in rows.to_dict("records"):
            made.kept[row["line"] // _APART].append({str(name): value for name, value in row.items()})
        for line, raw in zip(chunk.rejected["line"], chunk.rejected["raw"], strict=True):
            made.refused[line // _APART].append(raw)
    return made


_OFFICE = "http://schemas.openxmlformats.org"
_MAIN, _RELATIONS = f"{_OFFICE}/spreadsheetml/2006/main", f"{_OFFICE}/officeDocument/2006/relationships"
_PACKAGE = f"{_OFFICE}/package/2006"


def write_book(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    """A workbook (xlsx) of sheets, by name, of rows of texts and numbers."""
    names, relations = "", ""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, rows) in enumerate(sheets.items(), start=1):
            names += f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="r{number}"/>'
            target = f'Type="{_RELATIONS}/worksheet" Target="worksheets/{number}.xml"'
            relations += f'<Relationship Id="r{number}" {target}/>'
            cells = ""
            for place, row in enumerate(rows, start=1):
                fields = "".join(_cell(place, column, value) for column, value in enumerate(row))
                cells += f'<row r="{place}">{fields}</row>'
            archive.writestr(
                f"xl/worksheets/{number}.xml",
                f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>',
            )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{names}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
            'ContentType="application/xml"/><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        )
    return path


def _cell(row: int, column: int, value: object) -> str:
    place = f"{chr(ord('A') + column)}{row}"
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'
