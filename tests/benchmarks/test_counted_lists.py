"""The cost of counting everything is measured on what the service runs."""

import pytest

from benchmarks import counted_lists


def test_every_list_is_measured_at_every_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counted_lists, "TIMES", 1)
    counted_lists.run((600, 2000))
    lines = capsys.readouterr().out.strip().splitlines()[2:]
    assert len(lines) == 8
    for name in ("listing", "search"):
        for order in ("its own", "by price"):
            assert sum(line.startswith(name) and order in line for line in lines) == 2
