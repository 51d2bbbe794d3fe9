"""Blocks of plain CSV are read as the csv module reads them, row by row."""

import io
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from database.ingest import Options, plain_csv
from database.ingest.csv_records import LONGEST_FIELD, Broken
from database.ingest.files import Batch, Block, csv_batches, csv_blocks
from database.ingest.plain_csv import plain_columns

Row = tuple[int, list[str]]
FIELDS = st.text(st.sampled_from('ab 7\\\t;|\x00\x0b\x1f\x85\u2028\ufeffäł€\U0001f600"'), max_size=4)
PLAIN = st.text(st.sampled_from("ab 7ä\u2028\\"), max_size=3)
ENDS = st.sampled_from(["\n"] * 4 + ["\r\n", "\r", "\n\n", ""])


def file_of(delimiter: str, rows: list[list[str]], ends: list[str]) -> str:
    header = delimiter.join(f"c{place}" for place in range(3))
    body = (delimiter.join(row) + end for row, end in zip(rows, itertools.cycle(ends), strict=False))
    return f"{header}\n{''.join(body)}"


FILES = st.builds(
    file_of,
    st.sampled_from([",", ";", "\t", "|", "::"]),
    st.lists(
        st.one_of(
            st.lists(PLAIN, min_size=3, max_size=3),
            st.lists(PLAIN, min_size=3, max_size=3),
            st.lists(FIELDS, min_size=2, max_size=4),
        ),
        max_size=12,
    ),
    st.lists(ENDS, min_size=1, max_size=5),
)


def by_rows(batches: list[Batch]) -> tuple[list[Row], list[Any]]:
    """The rows by their lines, and what was refused."""
    good = [pair for each in batches for pair in zip(each.lines, each.values, strict=True)]
    bad = [
        triple
        for each in batches
        for triple in zip(each.bad_lines, each.bad_reasons, each.bad_raws, strict=True)
    ]
    return good, bad


def as_rows(part: Batch | Block) -> Batch:
    if isinstance(part, Batch):
        return part
    columns = [column.to_pylist() for column in part.columns]
    return Batch(list(part.lines), [list(row) for row in zip(*columns, strict=True)], part.progress)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=FILES, size=st.integers(1, 40), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@example(text='a,b,c\n1,2,3\n4,"5\n,6",7\n8,9,0\n', size=8, encoding="utf-8")
@example(text="a,b,c\r\n1,2,3\r\n4,5,6\r\n", size=6, encoding="utf-8")
@example(text='a,b,c\n1,"2,3\n4,5,6\n7,8,9\n', size=1, encoding="utf-8")
@example(text="a,b,c\n1,2,3\n\ufeff4,5,6\n", size=1, encoding="utf-8")
@example(text="a,b,c\n1,2,3\n4\r,5,6\n", size=1, encoding="utf-8")
def test_blocks_are_what_the_csv_module_reads(tmp_path: Path, text: str, size: int, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_FIRST_BLOCK", "_SMALLEST", "_LARGEST"):
            patch.setattr(plain_csv, name, size)
        parts = list(csv_blocks(path, encoding))
    assert by_rows([as_rows(part) for part in parts]) == by_rows(list(csv_batches(path, encoding)))
    assert all(0 <= part.progress <= 1 for part in parts)


def test_a_plain_file_is_read_as_columns_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a;b\n" + "".join(f"{n};é{n}\n" for n in range(100_000)))
    blocks = [part for part in csv_blocks(path, "utf-8") if isinstance(part, Block)]
    assert [part.lines[0] for part in blocks] == [2, *(part.lines[-1] + 1 for part in blocks[:-1])]
    assert blocks[-1].lines[-1] == 100_001
    assert [each for part in blocks for each in part.columns[1].to_pylist()] == [
        f"é{n}" for n in range(100_000)
    ]


def test_a_quote_makes_its_own_block_alone_slow(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{n},b\n" for n in range(300_000)]
    rows[150_000] = '1,"b\nc"\n'
    path.write_text("a,b\n" + "".join(rows))
    parts = list(csv_blocks(path, "utf-8"))
    assert sum(len(part.lines) for part in parts) == 300_000
    assert sum(len(part.lines) for part in parts if isinstance(part, Batch)) < 100_000
    assert parts[-1].lines[-1] == 300_002  # the header and the second line of that row are lines too


def test_a_file_without_a_header_is_read_from_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("1,x\n2,y\n")
    (part,) = csv_blocks(path, "utf-8", Options(header=("a", "b")))
    assert (list(part.lines), as_rows(part).values) == ([1, 2], [["1", "x"], ["2", "y"]])


def test_a_field_that_is_too_long_is_left_to_the_csv_module() -> None:
    long = "c" * (LONGEST_FIELD - 1)
    assert plain_columns(f"{long}c,d\n", ",", 2) is not None
    assert plain_columns(f"{long}cc,d\n", ",", 2) is None
    (part,) = plain_csv.csv_parts(io.StringIO(f"{long}cc,d\n", newline=""), ",", 2, 9)
    assert not isinstance(part, tuple)
    ((line, record),) = part
    assert line == 1
    assert isinstance(record, Broken)


def test_text_that_is_none_is_left_to_the_csv_module() -> None:
    assert plain_columns("\ud800,b\n", ",", 2) is None
