"""What the commands of all folders share."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def errors_as_messages(*roots: type[Exception]) -> Iterator[None]:
    """Errors of these kinds as one line on standard error and exit status 1, not as a traceback."""
    try:
        yield
    except roots as error:
        raise click.ClickException(str(error)) from error
