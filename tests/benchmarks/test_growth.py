"""The table of how costs grow: a benchmark replaces its own job's rows and leaves the others."""

from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.growth import Growth, Sides, grow, tell_growth
from benchmarks.speed.compare import Benchmark, Comparison
from benchmarks.timed import Timed


def taking(seconds: float) -> Timed:
    return Timed((seconds,), (seconds,), 2_000_000)


def squared(size: int) -> Sides:
    return taking(size**2 / 1e6), taking(size / 1e3)


def job(row: int, size: int = 1_000) -> Growth:
    return grow(row, f"{size} rows", size, squared(size), squared)


def test_the_exponent_of_each_side_is_found() -> None:
    grown = job(8)
    assert grown.sizes == (10, 100, 1_000)
    assert grown.exponent("ours") == pytest.approx(2)
    assert grown.exponent("reference") == pytest.approx(1)


def test_a_job_takes_the_place_of_its_last_measurement(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- growth -->\n<!-- end of growth -->\nafter\n")
    for each in (job(13), job(8), job(13, 2_000)):
        tell_growth(each, "1 round", page)
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[:3] for line in lines[1:]] == [
        ["| 8", "ours", "1000 rows"],
        ["| 8", "reference", "1000 rows"],
        ["| 13", "ours", "2000 rows"],
        ["| 13", "reference", "2000 rows"],
    ]
    assert lines[1].split(" | ")[3:7] == ["0.1 ms, 2 MB", "10 ms, 2 MB", "1 s, 2 MB", "2.00"]


def test_the_documentation_has_the_table() -> None:
    assert rows.PAGE.read_text().count("<!-- growth -->") == 1


@pytest.mark.parametrize(("ours", "theirs", "reached"), [(1, 10, True), (2, 10, False), (None, 10, True)])
def test_a_job_has_to_be_small_where_that_is_asked(ours: int | None, theirs: int, reached: bool) -> None:
    benchmark = Benchmark(
        "job", "a job", "a library", 0.5, lambda size: pytest.fail(), 1, 12, most_memory=0.1
    )
    sides = (Timed((0.1,), (0.1,), ours), Timed((1.0,), (1.0,), theirs))
    assert Comparison(benchmark, "rows", *sides, "agreed").reached is reached
