"""Every command, link and setting in the documentation exists."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings
from training.params import Params

PAGES = sorted(
    [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("**/*.md")]
)
MODULE = re.compile(r"python -m ([\w.]+)((?: [\w./=-]+)*)")
TARGET = re.compile(r"(?<!can't )\bmake ([a-z]+(?:-[a-z]+)*)\b")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
SETTING = re.compile(r"\b(SHORTLIST_[A-Z_]+|DATABASE_URL|MLFLOW_TRACKING_URI|MLFLOW_EXPERIMENT_NAME)\b")
MARKERS = {"SHORTLIST_PLATFORM", "SHORTLIST_PROCESS"}
"""Variables that operations sets for itself."""


def code(page: Path) -> str:
    """The parts of a page that are set as code."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL))


def commands() -> list[tuple[str, str]]:
    """Module and sub-command (or "") of each `python -m` in the pages."""
    found = set()
    for module, rest in (match for page in PAGES for match in MODULE.findall(page.read_text())):
        words = shlex.split(rest)
        first = words[0] if words and re.fullmatch(r"[a-z_]+", words[0]) else ""
        if (REPOSITORY / module.split(".")[0]).is_dir():
            found.add((module, first))
    return sorted(found)


# Run in this process: a new one for each would import the same libraries again, which takes seconds.
@pytest.mark.filterwarnings("ignore:.* found in sys.modules after import of package:RuntimeWarning")
@pytest.mark.parametrize(("module", "sub"), commands())
def test_each_python_command_is_there_and_explains_itself(
    module: str, sub: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, *([sub] if sub else []), "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    shown = capsys.readouterr()
    assert done.value.code in (0, None), shown.err
    assert "Usage:" in shown.out


def test_each_make_target_is_there() -> None:
    named = {target for page in PAGES for target in TARGET.findall(code(page))}
    listed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^  make ([a-z-]+)", listed, re.MULTILINE))
    assert named <= there, sorted(named - there)
    assert {"up", "down", "test", "check"} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_page_says_of_each_section_when_a_change_takes_effect() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    table = page.partition("## When a change of params.yaml takes effect")[2].partition("\n## ")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name.partition(".")[0] for first in firsts for name in re.findall(r"`([\w.]+)`", first)]
    assert set(named) == set(Params.model_fields)


def test_the_settings_of_the_pages_the_example_and_the_code_are_the_same() -> None:
    fields = {(field.alias or f"SHORTLIST_{name}").upper() for name, field in Settings.model_fields.items()}
    for page in (".env.example", "docs/operations.md"):
        named = set(SETTING.findall((REPOSITORY / page).read_text()))
        assert fields <= named, f"{page} lacks {sorted(fields - named)}"
        unknown = named - fields - MARKERS
        assert not unknown, f"{page} names {sorted(unknown)}, which nothing reads"
