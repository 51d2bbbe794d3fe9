"""The error of this folder."""

from dataclasses import asdict
from typing import Any

from data_checks.report import Report


class DataCheckError(Exception):
    """The snapshot fails at least one expectation, so nothing may be trained on it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        lines = "; ".join(finding.describe() for finding in report.failures)
        super().__init__(f"{len(report.failures)} of {len(report.findings)} expectations failed: {lines}")

    def as_dict(self) -> dict[str, Any]:
        """JSON form of what failed."""
        return {"findings": [asdict(finding) for finding in self.report.failures]}
