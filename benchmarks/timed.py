"""What one side of a comparison took: seconds, and the memory that it added to its process."""

import statistics
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak of the resident set begins anew


@dataclass(frozen=True)
class Timed:
    """One side of a comparison."""

    seconds: tuple[float, ...]
    """A figure a round."""
    processor: tuple[float, ...]
    """Seconds of the processor, of all threads: other work on the machine changes them little."""
    peak_bytes: int
    """The most memory that a round added to what the process had; 0 where the system does not tell."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        return max(self.seconds)


def reset_peak() -> int:
    """Bytes resident now; from now on the peak counts from here."""
    if not _RESET.exists():
        return 0
    _RESET.write_text(_RESET_PEAK)
    return _status("VmRSS")


def peak() -> int:
    """The most bytes that were resident since the peak was reset; 0 where the system does not tell."""
    return _status("VmHWM") if _RESET.exists() else 0


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def in_seconds(value: float) -> str:
    """Seconds in words."""
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def in_megabytes(peak_bytes: int) -> str:
    """Memory in words; "?" where it is not known."""
    return f"{peak_bytes / 1e6:,.0f} MB" if peak_bytes else "?"
