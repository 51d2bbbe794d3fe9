"""Parts of a file: all of its rows, and a few of them in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_checks.reading import read_parts

GROUPS, ROWS, BYTES = 30, 100, 10_000


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    path = tmp_path / "vectors.parquet"
    with pq.ParquetWriter(path, pa.schema({"number": pa.int64(), "vector": pa.binary()})) as writer:
        for group in range(GROUPS):
            numbers = pa.array(np.arange(ROWS) + group * ROWS)
            writer.write_table(
                pa.table({"number": numbers, "vector": pa.array([draw.bytes(BYTES) for _ in range(ROWS)])})
            )
    before = pa.total_allocated_bytes()
    numbers, most = [], 0
    for part in read_parts(path, ["number", "vector"], ROWS // 2):
        numbers += part.column("number").to_pylist()
        most = max(most, pa.total_allocated_bytes() - before)
    assert numbers == list(range(GROUPS * ROWS))
    assert most < path.stat().st_size / 4


def test_a_file_without_rows_is_one_part_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"name": pa.array([], pa.string()), "other": pa.array([], pa.int64())}), path)
    (part,) = read_parts(path, ["name"], 10)
    assert part.column_names == ["name"] and not len(part)
