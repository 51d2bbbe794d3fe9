"""Row 18 is told by the kind of list that grows most, of what the service runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_info

from benchmarks import filtered_lists

PAGE = "# Page\n\n<!-- rows -->\n\nNothing yet.\n\n<!-- end of rows -->\n"


@pytest.mark.platform
def test_every_kind_of_list_is_full_at_every_size_and_the_row_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    before = threadpool_info()
    sizes = ["--items", "1000", "--items", "1200", "--times", "1"]
    made = CliRunner().invoke(filtered_lists.run, [*sizes, "--page", str(page)], catch_exceptions=False)
    lines = made.output.splitlines()
    for name in ("recommend", "items", "similar by meaning", "similar by title", "trending", "search"):
        full = [line for line in lines if line.startswith(name) and " none " in line]
        assert [line.split()[-1] for line in full[:2]] == ["20", "20"]
    [row] = [line for line in page.read_text().splitlines() if line.startswith("| 18 |")]
    assert "1,200 items; itself of 1,000" in row
    # The benchmark runs with one thread, and other tests after it in this process.
    after = {library["filepath"]: library["num_threads"] for library in threadpool_info()}
    assert {library["filepath"]: library["num_threads"] for library in before}.items() <= after.items()


def test_the_kind_of_list_that_grows_most_is_named() -> None:
    used = {(name, "none"): [1.0, 2.0] for name in filtered_lists._LISTS}
    used["search", "none"] = [0.5, 3.0]
    row = filtered_lists._row((1000, 9000), used)
    assert (row.ours, row.reference, row.ratio, row.reached) == (
        "3.00 ms of processor",
        "0.50 ms",
        "6.0",
        False,
    )
    assert "the worst is search, 7 of 8 kinds reach it" in row.what
