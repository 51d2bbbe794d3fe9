"""How large the numbers of params.yaml may be: what is refused when it is read can't end a night later on."""

from collections.abc import Iterator, Mapping
from typing import Any

LARGEST = 2**31 - 1
"""Of any number: PostgreSQL's largest integer, and NumPy's of 32 bits."""
LONGEST = {"days": 100_000, "weeks": 14_000, "hours": 2_400_000, "minutes": 144_000_000}
"""Of a time, by the unit that ends its name: some 270 years, by which any date of today can be moved back.
99,999 days and 999,999 hours are what people write for "never"."""
MOST_FACTORS = 4096
"""Of a vector for users and items: a fit takes its square in memory, and its cube in time."""
MOST_ROUNDS = 1000
"""Of a fit; ten to a hundred are usual."""

MOST_POWER = 4
"""Of a ratio of counts: a hundred million to the fourth is still a float32."""


def largest_of(name: str) -> int:
    """The largest value of a field, by its name.

    >>> largest_of("snapshots_days"), largest_of("weeks"), largest_of("min_users")
    (100000, 14000, 2147483647)
    """
    return LONGEST.get(name.rpartition("_")[2], LARGEST)


def numbers_in(value: Any) -> Iterator[int | float]:
    """The numbers of a value, those in its lists and mappings too.

    >>> list(numbers_in({"als": ({"alpha": 1.5, "strength": "binary"}, {"factors": 8})}))
    [1.5, 8]
    """
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from numbers_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers_in(part)
