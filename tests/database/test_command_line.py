"""A command that can't do what it is asked for says so in one line."""

import click
import pytest
from click.testing import CliRunner

from database.command_line import errors_as_messages
from database.errors import DatabaseError


@click.command()
@click.argument("asked")
@errors_as_messages(DatabaseError)
def command(asked: str) -> None:
    """What a test runs."""
    if asked == "refused":
        raise DatabaseError("nothing to go back to")
    raise RuntimeError("a fault of the code")


def test_an_error_of_the_folder_is_one_line_and_a_failing_exit_status() -> None:
    done = CliRunner().invoke(command, ["refused"])
    assert (done.exit_code, done.output) == (1, "Error: nothing to go back to\n")


def test_a_fault_of_the_code_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="fault"):
        CliRunner().invoke(command, ["other"], catch_exceptions=False)
