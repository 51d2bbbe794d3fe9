"""Plain lines for a log; on a terminal also a last line of what goes on."""

import io

from operations.reporter import Reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_lines_only() -> None:
    stream = io.StringIO()
    report = Reporter(stream)
    report.status("working")
    report.line("done")
    report.plain("address")
    assert [line.split("s  ")[-1] for line in stream.getvalue().splitlines()] == ["done", "address"]


def test_a_terminal_keeps_the_status_below_the_lines() -> None:
    stream = Terminal()
    report = Reporter(stream)
    report.status("working")
    report.line("done")
    assert stream.getvalue().rindex("working") > stream.getvalue().index("done\n")
    before = len(stream.getvalue())
    report.status("")
    assert stream.getvalue()[before:] == "\r\033[2K"
