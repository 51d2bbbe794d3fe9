"""What a registered version carries with it."""

import re

from database.settings import REPOSITORY
from training.tracking import registry

_IMPORT = re.compile(r"^\s*(?:from|import) training\.(\w+)", re.MULTILINE)


def test_the_code_that_a_version_carries_imports_nothing_beside_it() -> None:
    """Where there is no checkout, a module that is missing keeps every version from being loaded."""
    carried = registry._CODE
    package = REPOSITORY / "training"
    files = [file for name in carried for file in [package / name, *(package / name).glob("**/*.py")]]
    imported = {name for file in files if file.is_file() for name in _IMPORT.findall(file.read_text())}
    assert imported <= {name.removesuffix(".py") for name in carried}
