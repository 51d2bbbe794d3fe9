"""What a validation found: plain values, and the error that blocks training."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One expectation that was checked."""

    suite: str
    expectation: str
    column: str | None
    passed: bool
    unexpected: int
    """Rows that break the expectation (0 where it is about the whole table)."""
    observed: str
    """What was seen: an observed value, or some of the unexpected ones."""
    why: str

    def describe(self) -> str:
        """One line for a log: the expectation, its column, and what was seen instead."""
        where = f"{self.suite}.{self.column}" if self.column else self.suite
        return (
            f"{self.expectation} failed on {where}: {self.unexpected} unexpected, {self.observed}. {self.why}"
        )


@dataclass(frozen=True)
class Report:
    """All findings of one snapshot."""

    rows: dict[str, int]
    """Rows per table that was checked."""
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def as_dict(self) -> dict[str, Any]:
        """JSON form, without times: the same snapshot gives the same report."""
        return {
            "passed": not self.failures,
            "rows": self.rows,
            "findings": [asdict(finding) for finding in self.findings],
        }


class DataCheckError(Exception):
    """The snapshot breaks at least one expectation; nothing may learn from it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        lines = "; ".join(finding.describe() for finding in report.failures)
        super().__init__(f"{len(report.failures)} of {len(report.findings)} expectations failed: {lines}")
