"""uv and pip install what they are told and nothing else; on tiny wheels, offline."""

import ensurepip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.errors import InstallError
from operations.install.lock import Pin, cpu_line
from operations.install.tools import Pip, Tool, Uv, choose, reason
from operations.install.torch import CPU, CUDA, MAC, PYTORCH_PAGE, choose_build
from tests.operations.install.wheels import make_wheel

pytestmark = pytest.mark.slow

UV = str(Path(sys.executable).parent / "uv")
TORCH = Pin("torch", "2.13.0", "", frozenset({"shortlist"}))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "one", "1.0", ["two"])
    make_wheel(folder, "two", "2.0")
    make_wheel(folder, "torch", "2.13.0")
    make_wheel(folder, "torch", "2.13.0+cpu")
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "lock").open("w") as file:
        yield file.fileno()


def bundled_wheels() -> str:
    """Where this Python keeps the pip that it gives to new environments: Debian's keeps it elsewhere."""
    folders = Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")
    return str(next(folder for folder in folders if any(folder.glob("pip-*.whl"))))


@pytest.fixture(params=["uv", "pip"])
def tool(request: pytest.FixtureRequest, tmp_path: Path, wheels: Path, lock: int) -> Tool:
    venv = tmp_path / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    settings = {"no-index": "true", "find-links": str(wheels)}
    if request.param == "uv":
        return Uv(venv, lock, UV, settings)
    Uv(venv, lock, UV, {"no-index": "true", "find-links": bundled_wheels()}).synchronise(["pip"], ())
    made = Pip(venv, lock)
    made.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    return made


def test_a_setting_to_install_for_the_user_does_not_hold_in_the_environment(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    tool.synchronise(["two==2.0"], ())
    assert "two-2.0" in installed(tool)


def installed(tool: Tool) -> set[str]:
    found = tool.venv.glob("lib/python3.*/site-packages/*.dist-info")
    return {path.stem for path in found} - {path.stem for path in found if path.stem.startswith("pip")}


def test_the_environment_holds_the_lines_and_nothing_else(tool: Tool) -> None:
    tool.synchronise(["one==1.0", "torch==2.13.0"], ())
    assert {"one-1.0"} == {name for name in installed(tool) if name.startswith(("one", "two"))}
    tool.synchronise(["two==2.0 ; python_version >= '3'"], ())
    assert {"two-2.0"} == {name for name in installed(tool) if name.startswith(("one", "two", "torch"))}


def test_a_package_is_written_over_what_took_its_place(tool: Tool) -> None:
    tool.synchronise(["one==1.0"], ())
    [record] = tool.venv.glob("lib/python3.*/site-packages/one-1.0.dist-info/WHEEL")
    packed = record.read_text()
    record.unlink()  # it may be a link into uv's cache
    record.write_text("somebody else's\n")
    tool.install_again("one==1.0")
    assert record.read_text() == packed


def test_what_is_not_there_is_said_in_one_line(tool: Tool) -> None:
    with pytest.raises(InstallError, match=r"could not install the packages: .*three") as refused:
        tool.synchronise(["three==3.0"], ())
    assert "\n" not in str(refused.value) and str(tool.log) in str(refused.value)


def test_the_cpu_build_that_the_settings_lead_to_is_taken(tool: Tool) -> None:
    assert choose_build(tool, [TORCH], "Linux") == CPU
    tool.synchronise([cpu_line(TORCH)], ())
    assert "torch-2.13.0+cpu" in {
        path.name.removesuffix(".dist-info")
        for path in (tool.venv.glob("lib/python3.*/site-packages/torch*.dist-info"))
    }


class Index(Pip):
    """Offers what it is told."""

    def __init__(self, venv: Path, offered: set[tuple[str, ...]]) -> None:
        super().__init__(venv, 0)
        self.offered = offered

    def offers(self, requirement: str, links: object, seconds: int | None) -> bool:
        assert requirement == "torch==2.13.0+cpu"
        return links in self.offered


def test_pytorchs_page_is_asked_where_the_settings_lead_to_none(tmp_path: Path) -> None:
    found = choose_build(Index(tmp_path, {(PYTORCH_PAGE,)}), [TORCH], "Linux")
    assert found.marked and found.links == (PYTORCH_PAGE,)


def test_pytorchs_page_is_not_asked_where_the_settings_forbid_it(tmp_path: Path) -> None:
    index = Index(tmp_path, {(PYTORCH_PAGE,)})
    index.may_look_elsewhere = False
    assert choose_build(index, [TORCH], "Linux") == CUDA


def test_an_index_that_does_not_answer_is_said_at_once(
    tool: Tool, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(tool, Uv):
        pytest.skip("pip fetches it")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(InstallError, match=r"index does not answer: .*refused.*pip config list"):
        choose(tool.venv, lock, [Pin("uv", "0.13.8", "", frozenset())])


def test_pypis_build_is_the_last_resort_and_macs_have_one(tmp_path: Path) -> None:
    assert choose_build(Index(tmp_path, set()), [TORCH], "Linux") == CUDA
    assert choose_build(Index(tmp_path, set()), [TORCH], "Darwin") == MAC


def test_a_cpu_build_that_is_there_stays_when_nobody_offers_one(tmp_path: Path) -> None:
    (tmp_path / "lib" / "python3.12" / "site-packages" / "torch-2.13.0+cpu.dist-info").mkdir(parents=True)
    assert choose_build(Index(tmp_path, set()), [TORCH], "Linux") == CPU


def test_a_page_that_does_not_answer_is_given_up_in_seconds(tool: Tool) -> None:
    assert not tool.offers("absent==1", ("http://127.0.0.1:9/absent/",), 1)


def test_a_uv_on_the_path_is_used_unless_it_is_older(
    tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    for name in ("uv", "python"):
        (program.parent / name).write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo "uv 0.13.8 (x 3)"\nexit 0\n'
        )
        (program.parent / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    for locked, used in (("0.13.8", program), ("0.12.9", program), ("0.13.10", tmp_path / "bin" / "uv")):
        tool = choose(tmp_path, lock, [Pin("uv", locked, "", frozenset())])
        assert isinstance(tool, Uv) and tool._program == str(used)
        fetched = f"uv=={locked}" in tool.log.read_text()
        assert fetched == (locked == "0.13.10")


def test_a_home_that_cannot_be_written_gets_a_cache_of_its_own(
    tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "file" / "cache"))
    tool = Uv(tmp_path, lock, UV, {})
    assert tool.environment["UV_CACHE_DIR"] == str(tool.throwaway_cache)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    assert Uv(tmp_path, lock, UV, {}).environment["UV_CACHE_DIR"] == str(tmp_path / "cache")
    unwanted = Uv(tmp_path, lock, UV, {"no-cache-dir": "true"})
    assert unwanted.environment["UV_CACHE_DIR"] == str(unwanted.throwaway_cache)


def test_a_reason_is_one_line() -> None:
    said = "Resolved\n  × No solution\nerror: Request failed.\n  cause: dns error\n"
    assert reason(said) == "Request failed. cause: dns error"
    assert reason("one\ntwo") == "one two"
