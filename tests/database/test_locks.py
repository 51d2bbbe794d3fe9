"""Advisory locks: all their numbers stand in one module, and no two jobs share one."""

import re
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import locks
from database.settings import REPOSITORY

NUMBERS = {name: value for name, value in vars(locks).items() if isinstance(value, int)}
CALL = re.compile(r"pg_(?:try_)?advisory_(?:xact_)?(?:un)?lock\w*\(([^()]*)")
GIVEN = re.compile(r"%s|:key|\$\d|\{\w+\}|hashtextextended")
"""How a number comes into a query: not as digits."""
REPLACED = {"0001_first.py", "0002_watch.py"}
"""Migrations whose functions a later one drops; what they leave is read from the database."""


def test_the_numbers_differ() -> None:
    assert len(NUMBERS) >= 6
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def test_no_other_module_has_a_number_of_its_own() -> None:
    found = 0
    for folder in ("database", "serving", "training", "watch", "experiments", "operations", "dags"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            if path.name not in REPLACED:
                calls = CALL.findall(path.read_text())
                found += len(calls)
                assert all(GIVEN.match(call.strip()) for call in calls), path
    assert found >= 8


def test_the_functions_of_the_schema_use_them(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select proname, prosrc from pg_proc where prosrc like '%%pg_advisory%%' and prolang <> 12"
        )
        functions: list[tuple[str, str]] = cursor.fetchall()
    used: dict[str, Any] = {name: CALL.findall(source) for name, source in functions}
    assert used == {"ensure_partitions": [str(locks.PARTITIONS)]}
