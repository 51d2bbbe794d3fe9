"""Which build of torch a machine gets: PyPI's for Linux brings gigabytes of CUDA libraries."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from operations.install.lock import Pin, cpu_line, pin_of
from operations.install.tools import Tool

PYTORCH_PAGE = "https://download.pytorch.org/whl/cpu/torch/"
"""PyTorch's list of its CPU builds. Read as a page of links: nothing but torch can come from it."""

PAGE_SECONDS = 5
"""How long that page may take to answer."""


@dataclass(frozen=True)
class Build:
    """A build of torch, and what the environment costs with it."""

    said: str
    fetched: float
    """Gigabytes of all downloads."""
    disk: float
    """Gigabytes of the whole environment."""
    marked: bool = False
    """Its version ends in `+cpu`, and the CUDA libraries are left out."""
    links: tuple[str, ...] = ()
    """Where to look for it, beside what pip's settings name."""


CPU = Build("torch's CPU build", fetched=0.8, disk=2.4, marked=True)
CUDA = Build("torch with its CUDA libraries, since no CPU build was found", fetched=3.0, disk=6.1)
MAC = Build("torch for macOS", fetched=0.6, disk=2.0)


def growth(venv: Path, build: Build) -> float:
    """Gigabytes that an environment grows by when it gets this build: none where one as large is there."""
    there = list(venv.glob("lib/python3.*/site-packages/torch-*.dist-info"))
    if not there:
        return build.disk
    return build.disk - CPU.disk if all("+cpu" in found.name for found in there) and not build.marked else 0.0


def choose_build(tool: Tool, pins: Sequence[Pin], system: str = platform.system()) -> Build:
    """The CPU build that is installed, else one by pip's settings, else PyTorch's, else PyPI's build."""
    torch = pin_of("torch", pins)
    if system != "Linux":
        return MAC
    installed = any(tool.venv.glob(f"lib/python3.*/site-packages/torch-{torch.version}+cpu.dist-info"))
    if installed or tool.offers(cpu_line(torch), (), None):
        return CPU
    if tool.may_look_elsewhere and tool.offers(cpu_line(torch), (PYTORCH_PAGE,), PAGE_SECONDS):
        return replace(CPU, links=(PYTORCH_PAGE,))
    return CUDA
