"""The table counts what mutmut keeps: a mutant that no test reaches is not a killed one."""

import json
from pathlib import Path

import pytest

from tests.mutation_table import main


def test_each_room_has_its_line_and_survivors_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {"a__mutmut_1": 1, "a__mutmut_2": 0, "a__mutmut_3": 33, "a__mutmut_4": None, "a__mutmut_5": 36}
    for file, kept in (("serving/steps/scores.py", codes), ("watch/guard.py", {"b__mutmut_1": 1})):
        path = tmp_path / f"{file}.meta"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"exit_code_by_key": kept}))
    main(tmp_path)
    told = capsys.readouterr().out
    assert "| serving/steps | 4 | 2 | 1 | 1 | 50% | 1 |" in told
    assert "| watch | 1 | 1 | 0 | 0 | 100% | 0 |" in told
    assert "| all | 5 | 3 | 1 | 1 | 60% | 1 |" in told
    assert "survived: a__mutmut_2" in told and "no test: a__mutmut_3" in told and "mutmut_1" not in told
