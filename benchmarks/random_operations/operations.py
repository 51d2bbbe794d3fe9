"""The operations, and how often each is chosen."""

from collections.abc import Awaitable, Callable

from benchmarks.random_operations import edits, faults, learning
from benchmarks.random_operations.shop import Shop

Operation = Callable[[Shop], Awaitable[None]]

OPERATIONS: dict[Operation, float] = {
    edits.save_item: 8,
    edits.delete_item: 4,
    edits.withdraw: 6,
    edits.edit_numbers: 6,
    edits.interact: 12,
    edits.article: 6,
    edits.ingest: 1,
    learning.deploy: 2,
    learning.roll_back: 2,
    learning.experiment: 2,
    learning.trending: 2,
    learning.compare_workers: 4,
    faults.kill_worker: 2,
    faults.kill_both_workers: 0.5,
    faults.stop_database: 1,
    faults.slow_database: 1,
    faults.hold_lock: 1,
    faults.partition: 1,
}
"""Each with its weight."""
