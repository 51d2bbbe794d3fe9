"""The floors under what tests reach, beside the one over everything."""

import pytest

from tests.coverage_floor import below


def counted(lines: tuple[int, int], branches: tuple[int, int] = (0, 0)) -> dict[str, float]:
    (run, there), (taken, ways) = lines, branches
    return {"covered_lines": run, "num_statements": there, "covered_branches": taken, "num_branches": ways}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ["Tests ran 0.0 % of the branches", "Tests ran 0.0 % of operations"]),
        ({"operations/up.py": counted((80, 100)), "serving/a.py": counted((0, 900), (9, 10))}, []),
        ({"operating/up.py": counted((80, 100), (9, 10))}, ["Tests ran 0.0 % of operations"]),
        (
            {"operations/up.py": counted((79, 100)), "serving/a.py": counted((9, 9), (9, 10))},
            ["Tests ran 79.0 % of operations, less than 80 %."],
        ),
        (
            {
                "operations/a.py": counted((90, 100), (10, 10)),
                "operations/install/b.py": counted((50, 100), (10, 10)),
            },
            ["Tests ran 72.7 % of operations"],
        ),
        ({"operations/a.py": counted((99, 99), (89, 100))}, ["Tests ran 89.0 % of the branches"]),
        ({"operations/a.py": counted((1, 9), (1, 9)), "watch/a.py": counted((9, 9))}, ["11.1", "11.1"]),
    ],
)
def test_each_floor_that_is_not_reached_is_told(files: dict[str, dict[str, float]], said: list[str]) -> None:
    found = below(files)
    assert len(found) == len(said) and all(part in line for part, line in zip(said, found, strict=True))
