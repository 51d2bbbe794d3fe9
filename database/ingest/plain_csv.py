"""CSV without quotes, read a block at a time: where every line is one row, PyArrow takes it apart at once."""

import io
from collections.abc import Iterator
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from database.ingest.csv_records import LONGEST_FIELD, Broken, Lines, csv_records

_SINGLE = frozenset(",;\t|")
_FIRST_BLOCK, _SMALLEST, _LARGEST = 1 << 20, 1 << 16, 1 << 24  # characters

Records = Iterator[tuple[int, list[str] | Broken]]


def csv_parts(
    stream: TextIO, delimiter: str, width: int, rows: int
) -> Iterator[tuple[int, list[pa.Array]] | Records]:
    """What is left of a stream, in parts of some rows: columns of texts, with the number of their first line
    (from 1), or records as `csv_records` gives them. These are read to their end before the next part.

    Args:
        stream: a text whose line ends are kept as they are.
        delimiter: what separates fields.
        width: how many fields a row has.
        rows: about how many rows a part of columns has.
    """
    lines, size = Lines(stream), _FIRST_BLOCK
    while block := stream.read(size) + stream.readline():
        columns = plain_columns(block, delimiter, width)
        if columns is None:
            lines.returned.extend(io.StringIO(block, newline=""))
            yield csv_records(lines, delimiter, width, returned=True)
        else:
            count = len(columns[0])
            yield lines.number, columns
            lines.number += count
            size = min(max(rows * len(block) // count, _SMALLEST), _LARGEST)


def plain_columns(block: str, delimiter: str, width: int) -> list[pa.Array] | None:
    """The fields of whole lines, each of which is a row; None where the csv module has to look at them.

    So it has at a quote, an empty line, another number of fields, and whatever PyArrow reads in its own way.
    """
    if delimiter not in _SINGLE or not width or _odd(block):
        return None
    names = [str(place) for place in range(width)]
    try:
        data = block.encode()
        table = pacsv.read_csv(
            pa.py_buffer(data),
            pacsv.ReadOptions(use_threads=False, block_size=max(len(data), 2), column_names=names),
            pacsv.ParseOptions(
                delimiter=delimiter, quote_char=False, double_quote=False, ignore_empty_lines=False
            ),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False),
        )
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None
    columns = [column.combine_chunks() for column in table.columns]
    if len(block) > LONGEST_FIELD and any(_longest(column) > LONGEST_FIELD for column in columns):
        return None
    return columns


def _odd(block: str) -> bool:
    """Whether there is more in a block than fields, delimiters and the ends of lines that are not empty."""
    if '"' in block or "\0" in block or block.startswith(("\n", "\r\n", "\ufeff")):
        return True
    return "\n\n" in block or "\n\r\n" in block or block.count("\r") != block.count("\r\n")


def _longest(column: pa.Array) -> int:
    return int(pc.max(pc.binary_length(column)).as_py())
