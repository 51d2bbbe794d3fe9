"""What requirements.txt says, and that it says nothing which holds on one machine only."""

from database.settings import REPOSITORY
from operations.install.lock import cuda_libraries, pin_of, read_lock, supported_versions, wanted_lines

TEXT = (REPOSITORY / "requirements.txt").read_text()
PINS = read_lock(TEXT)


def test_every_line_is_a_pin_with_what_needs_it() -> None:
    lines = [line for line in TEXT.splitlines() if line and line[0] not in "# "]
    assert [pin.line for pin in PINS] == lines
    assert all(pin.needed_by for pin in PINS)
    assert pin_of("torch", PINS).needed_by == {"shortlist", "sentence-transformers"}
    assert pin_of("nvidia-ml-py", PINS).needed_by == {"bentoml"}


def test_nothing_in_it_holds_on_one_machine_only() -> None:
    assert not [
        word
        for word in ("+cpu", "find-links", "index-url", "file:", " @ ", "/")
        if word in "".join(pin.line for pin in PINS)
    ]
    assert "--find-links" not in TEXT and "://" not in TEXT


def test_a_cpu_build_of_torch_needs_no_cuda_library_and_all_else() -> None:
    dropped = cuda_libraries(PINS)
    assert {"nvidia-cudnn-cu13", "nvidia-cublas", "triton", "cuda-bindings", "cuda-pathfinder"} <= dropped
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in dropped)
    assert not {"nvidia-ml-py", "sympy", "networkx", "setuptools"} & dropped
    lines = wanted_lines(PINS, cpu_build=True)
    assert f"torch=={pin_of('torch', PINS).version}+cpu" in lines
    assert len(lines) == len(PINS) - len(dropped)
    assert wanted_lines(PINS, cpu_build=False) == [pin.line for pin in PINS]


def test_what_the_installer_itself_needs_is_pinned() -> None:
    assert not pin_of("setuptools", PINS).marker
    assert not pin_of("uv", PINS).marker


def test_the_supported_versions_are_those_of_pyproject() -> None:
    assert supported_versions('[project]\nrequires-python = ">=3.9,<3.15"\n') == ((3, 9), (3, 15))
