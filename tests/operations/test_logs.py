"""What is shown of a log after a failure: the error that it names, of this start only."""

from pathlib import Path

from operations.logs import cause, size, written_since

TRACEBACK = """INFO starting
Traceback (most recent call last):
  File "service.py", line 39, in open_plane
    raise ParamsError(path, problems) from error
training.params.ParamsError: params.yaml: nonsense: Extra inputs are not permitted

2026-11-21 [ERROR] Application startup failed. Exiting.
"""


def test_the_error_comes_before_the_last_line(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text(TRACEBACK)
    assert cause(log) == (
        "training.params.ParamsError: params.yaml: nonsense: Extra inputs are not permitted"
    )


def test_of_several_errors_the_last_is_what_ended_it(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text(f"ConnectionError: tried again\n{TRACEBACK}asyncio.TimeoutError\n")
    assert cause(log) == "asyncio.TimeoutError"


def test_without_an_error_the_last_line_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("one\nthe directory is not empty.\n\n")
    assert cause(log) == "the directory is not empty"


def test_an_earlier_start_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text(TRACEBACK)
    begin = size(log)
    assert cause(log, begin) == "no output"
    with log.open("a") as file:
        file.write("ready\n")
    assert (written_since(log, begin), cause(log, begin)) == ("ready\n", "ready")


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("OSError: full\n")
    assert cause(log, 10_000_000) == "OSError: full"


def test_no_log_is_no_error(tmp_path: Path) -> None:
    assert cause(tmp_path / "none.log") == "no output"
