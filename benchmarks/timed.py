"""What one side of a comparison took: seconds, and the memory that it added to its process."""

import ctypes
import statistics
from collections.abc import Sequence
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
    peak_bytes: int | None
    """The most memory that a round added to what the process had; None where the system does not tell."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        return max(self.seconds)


def reset_peak() -> int | None:
    """Bytes resident now, from which the peak counts from now on; None where the system does not tell.

    What is free goes back to the system before: else nobody would see who takes it again.
    """
    if not _RESET.exists():
        return None
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)
    _RESET.write_text(_RESET_PEAK)
    return _status("VmRSS")


def added_since(resident: int | None) -> int | None:
    """The most bytes above `resident`, which `reset_peak` told, that there have been since."""
    return None if resident is None else max(0, _status("VmHWM") - resident)


def joined(rounds: Sequence[Timed]) -> Timed:
    """All rounds of a side as one; of its memory the most that is known."""
    return Timed(
        tuple(seconds for each in rounds for seconds in each.seconds),
        tuple(seconds for each in rounds for seconds in each.processor),
        max((each.peak_bytes for each in rounds if each.peak_bytes is not None), default=None),
    )


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def in_seconds(value: float) -> str:
    """Seconds in words, three digits of them."""
    return f"{1000 * value:.3g} ms" if value < 0.9995 else f"{value:.3g} s"


def in_megabytes(peak_bytes: int | None) -> str:
    """Memory in words; "?" where it is not known."""
    return "?" if peak_bytes is None else f"{peak_bytes / 1e6:,.0f} MB"
