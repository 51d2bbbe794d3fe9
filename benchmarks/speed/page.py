"""The table of all comparisons, and the section of docs/benchmarks.md that holds it."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.speed.compare import Benchmark, Comparison, Growth, Timed
from training.markdown import table

_COLUMNS = ("", "what", "data", "ours", "reference", "ratio", "at most", "worst", "memory", "agreement")
_MARKS = ("<!-- speed -->", "<!-- end of speed -->")


def machine() -> str:
    """What the figures were measured on."""
    gigabytes = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, "
        f"Python {platform.python_version()}, load average {load:.1f} at the end"
    )


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", names.read_text()) if names.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()


def compared(comparisons: Sequence[Comparison]) -> str:
    """A Markdown table: medians of the rounds, the worst and the peak memory, each for ours and theirs."""
    return table(_COLUMNS, [_row(each) for each in comparisons])


def _row(done: Comparison) -> list[str]:
    asked = done.benchmark
    return [
        asked.name,
        f"{asked.what}; {asked.reference}",
        done.data,
        _seconds(done.ours.median),
        _seconds(done.reference.median),
        f"{done.ratio:.3f}",
        f"{asked.most:.3g}{'' if done.reached else ' (missed)'}",
        f"{_seconds(done.ours.worst)}, {_seconds(done.reference.worst)}",
        f"{_bytes(done.ours)}, {_bytes(done.reference)}",
        done.agreement,
    ]


def grown(growths: Sequence[tuple[Benchmark, Growth]]) -> str:
    """A Markdown table of how each side's seconds and memory grow with the size."""
    rows = [
        [
            benchmark.name,
            side,
            *(f"{_seconds(timed.median)}, {_bytes(timed)}" for timed in getattr(growth, side)),
            f"{growth.exponent(side):.2f}",
        ]
        for benchmark, growth in growths
        for side in ("ours", "reference")
    ]
    return table(("", "side", "a hundredth", "a tenth", "whole", "exponent"), rows)


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def _bytes(timed: Timed) -> str:
    return f"{timed.peak_bytes / 1e6:,.0f} MB" if timed.peak_bytes else "?"


def write_section(page: Path, text: str) -> None:
    """Replace what stands between the marks of the page. Raises ValueError where it has none."""
    before, start, rest = page.read_text().partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not (start and end):
        raise ValueError(f"{page} lacks {_MARKS[0]} and {_MARKS[1]}")
    page.write_text(f"{before}{start}\n\n{text.strip()}\n\n{end}{after}")
