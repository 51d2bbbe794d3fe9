"""How much an environment grows with a build of torch."""

from pathlib import Path

import pytest

from operations.install.torch import CPU, CUDA, Build, growth


@pytest.mark.parametrize(
    ("there", "build", "more"),
    [
        ([], CPU, CPU.disk),
        ([], CUDA, CUDA.disk),
        (["2.9.0+cpu"], CPU, 0.0),
        (["2.9.0+cpu"], CUDA, CUDA.disk - CPU.disk),
        (["2.9.0"], CUDA, 0.0),
        (["2.9.0"], CPU, 0.0),
    ],
)
def test_the_disk_is_asked_for_what_comes_on_top(
    tmp_path: Path, there: list[str], build: Build, more: float
) -> None:
    """A CPU build that a new lock turns into CUDA's needs gigabytes, though torch is there already."""
    for version in there:
        (tmp_path / f"lib/python3.12/site-packages/torch-{version}.dist-info").mkdir(parents=True)
    assert growth(tmp_path, build) == more
