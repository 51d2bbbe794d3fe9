"""Tables and intervals as Markdown."""

import math

from training import markdown


def test_a_bar_in_a_cell_opens_no_column_and_numbers_need_no_text() -> None:
    text = markdown.table(["item", "users"], [["a|b", 3]])
    assert text.splitlines()[2] == "| a\\|b | 3 |"
    assert markdown.table(["item"], []) == "| item |\n|---|\n"


def test_no_number_is_an_empty_cell() -> None:
    assert markdown.interval(math.nan, math.nan, math.nan) == ""
