"""Results of a validation as plain values, and the error that stops training."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """The result of one expectation."""

    suite: str
    expectation: str
    column: str | None
    passed: bool
    unexpected: int
    """Rows that violate the expectation (0 if it is about the whole table)."""
    observed: str
    """The observed value, or a few of the unexpected ones."""
    why: str
    rows: tuple[str, ...] = ()
    """A few of the rows that violate it, by id; empty for tables without ids."""
    warning: bool = False
    """Whether it is told and stops nothing."""

    def describe(self) -> str:
        """One log line: the expectation, its column, and what was found instead."""
        where = f"{self.suite}.{self.column}" if self.column else self.suite
        rows = f", in {', '.join(self.rows)}" if self.rows else ""
        found = f"{self.unexpected} unexpected, {self.observed}{rows}"
        return f"{self.expectation} failed on {where}: {found}. {self.why}"


@dataclass(frozen=True)
class Report:
    """All results for one snapshot."""

    rows: dict[str, int]
    """Rows per table that was checked."""
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The expectations that failed and stop the training."""
        return tuple(finding for finding in self.findings if not finding.passed and not finding.warning)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The expectations that failed and stop nothing."""
        return tuple(finding for finding in self.findings if not finding.passed and finding.warning)

    def as_dict(self) -> dict[str, Any]:
        """JSON form, without timestamps: the same snapshot gives the same report."""
        return {
            "passed": not self.failures,
            "rows": self.rows,
            "findings": [asdict(finding) for finding in self.findings],
        }
