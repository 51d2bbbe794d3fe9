"""The table of all comparisons: a benchmark replaces its own rows and leaves the others."""

from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.rows import Row, tell_rows


def row(number: int, what: str, ours: str, reached: bool = True) -> Row:
    return Row(number, what, ours, "2 s", "0.5", "≤ 1", reached)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    made = tmp_path / "page.md"
    made.write_text("before\n\n<!-- rows -->\n<!-- end of rows -->\n\nafter\n")
    return made


def written(page: Path) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| #")
    ]


def test_a_row_takes_the_place_of_its_last_measurement(page: Path) -> None:
    tell_rows([row(12, "neighbours; 10 items", "1 s"), row(4, "home", "3 s", reached=False)], "1 round", page)
    tell_rows([row(4, "search", "4 s")], "1 round", page)
    tell_rows([row(12, "neighbours; 20 items", "9 s")], "5 rounds", page)
    found = written(page)
    assert [cells[:3] for cells in found] == [
        ["4", "home", "3 s"],
        ["4", "search", "4 s"],
        ["12", "neighbours; 20 items", "9 s"],
    ]
    assert [cells[6] for cells in found] == ["missed", "reached", "reached"]
    assert "5 rounds" in found[2][7] and "1 round" in found[0][7]


def test_the_rest_of_the_page_stays_and_the_machine_is_told(page: Path) -> None:
    for _ in range(2):
        tell_rows([row(1, "load", "1 s")], "1 round", page)
    text = page.read_text()
    assert text.startswith("before\n\n<!-- rows -->\n") and text.endswith("<!-- end of rows -->\n\nafter\n")
    assert text.count(rows.machine()) == 1


def test_rows_of_another_machine_say_so(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, numbers in (("first", (1, 2)), ("second", (2,)), ("second", (3,)), ("third", (3,))):
        monkeypatch.setattr(rows, "machine", lambda name=name: f"the {name} machine")
        tell_rows([row(number, "load", "1 s") for number in numbers], "1 round", page)
    measured = [cells[7].partition(", on ")[2] for cells in written(page)]
    assert measured == ["the first machine", "the second machine", ""]
    assert page.read_text().count("\nthe third machine.\n") == 1


def test_a_page_without_the_table_is_refused_and_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="rows"):
        tell_rows([row(1, "load", "1 s")], "1 round", page)
    assert page.read_text() == "nothing\n"


def test_the_documentation_has_the_table() -> None:
    assert rows.PAGE.read_text().count("<!-- rows -->") == 1
