"""`python -m watch lists`: what each list brought, as a table."""

import pytest
from click.testing import CliRunner

from database.list_outcomes import ListOutcomes
from watch.__main__ import describe_lists, main


def test_the_table_has_a_line_for_each_list() -> None:
    head, line = describe_lists([ListOutcomes("recommend", 1200, 7200, 72, 10, 6, 1234.5)])
    assert head.split() == ["list", "shown", "seen", "clicks", "rate", "bought", "conv.", "revenue"]
    assert line.split() == ["recommend", "1,200", "7,200", "72", "1.00%", "10", "0.50%", "1,234.50"]


@pytest.mark.usefixtures("database")
def test_a_shop_without_lists_is_told_so() -> None:
    done = CliRunner().invoke(main, ["lists", "--hours", "24"])
    assert (done.exit_code, done.output.strip()) == (0, "No list was shown in this period.")
