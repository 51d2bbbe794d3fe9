"""What the supervisor does around a process, with circus's own processes and pipes."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from circus.process import Process
from circus.stream import FileStream
from circus.stream.redirector import Redirector

from operations.hooks import let_go_of_output


def started(command: str) -> Process:
    return Process("any", 1, "sh", args=["-c", command], pipe_stdout=True, pipe_stderr=False)


def test_a_reaped_process_leaves_its_last_words_and_its_pipes_number_to_the_next(tmp_path: Path) -> None:
    async def reap() -> None:
        log = FileStream(str(tmp_path / "log"))
        redirector = Redirector(log, None)
        redirector.start()
        dying = started("echo last words; exit 1")
        redirector.add_redirections(dying)
        dying._worker.wait()
        number = dying.stdout.fileno()
        watcher = SimpleNamespace(processes={dying.pid: dying}, stream_redirector=redirector)
        assert let_go_of_output(watcher, process_pid=dying.pid, time=0.0)
        dying.stop()
        heir, other = started("sleep 30"), Redirector(log, None)
        other.start()
        try:
            assert heir.stdout.fileno() == number
            other.add_redirections(heir)
            redirector.start()
        finally:
            redirector.stop()
            other.stop()
            heir._worker.kill()
            heir._worker.wait()
            heir.stop()
            log.close()

    asyncio.run(reap())
    assert (tmp_path / "log").read_text() == "last words\n"
