"""What requirements.txt pins, and what of it a machine needs."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

LOCK = "requirements.txt"


@dataclass(frozen=True)
class Pin:
    """A package of the lock."""

    name: str
    version: str
    marker: str
    """On which machines it is needed; empty on all."""
    needed_by: frozenset[str]

    @property
    def line(self) -> str:
        """As pip reads it."""
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def read_lock(text: str) -> list[Pin]:
    """The pins of a compiled lock; below each stand comments that say what needs it."""
    found = []
    for block in re.split(r"\n(?=\w)", text):
        head, _, notes = block.partition("\n")
        pin = re.fullmatch(r"([\w.-]+)==([^\s;]+)(?: ; (.+))?", head)
        if pin:
            needed_by = re.findall(r"# +(?:via )?([\w.-]+)", notes.replace("# via\n", ""))
            found.append(Pin(pin[1], pin[2], pin[3] or "", frozenset(needed_by)))
    return found


def cuda_libraries(pins: Sequence[Pin]) -> set[str]:
    """What a CPU build of torch does without: needed by torch alone, at any remove, on some machines only."""
    candidates = [pin for pin in pins if pin.marker and pin.needed_by]
    found: set[str] = set()
    while more := {pin.name for pin in candidates if pin.needed_by <= found | {"torch"}} - found:
        found |= more
    return found


def wanted_lines(pins: Sequence[Pin], *, cpu_build: bool) -> list[str]:
    """The lines to install: a CPU build of torch is named as such, and leaves the CUDA libraries out."""
    if not cpu_build:
        return [pin.line for pin in pins]
    dropped = cuda_libraries(pins)
    return [cpu_line(pin) if pin.name == "torch" else pin.line for pin in pins if pin.name not in dropped]


def cpu_line(torch: Pin) -> str:
    """The CPU build of the locked torch, as pip reads it."""
    return f"torch=={torch.version}+cpu"


def pin_of(name: str, pins: Sequence[Pin]) -> Pin:
    """The pin of a package that the lock has."""
    return next(pin for pin in pins if pin.name == name)


def supported_versions(pyproject: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The oldest supported Python, and the first that is too new, from the text of pyproject.toml."""
    said = tomllib.loads(pyproject)["project"]["requires-python"]
    oldest, above = re.findall(r"3\.(\d+)", said)
    return (3, int(oldest)), (3, int(above))
