"""The embedding model in a process of its own, which dies, hangs and comes back."""

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from serving.errors import EncoderUnavailableError
from serving.vectors import encoder_process, encoder_thread, shared_encoder
from serving.vectors.encoder_thread import LiveEncoder
from serving.vectors.shared_encoder import SharedEncoder
from tests.serving.words import BagOfWords
from training.models.core.encoder import EncoderError, dimension_of

PROCESS = """
import sys
from pathlib import Path
from serving.vectors.encoder_process import serve
from tests.serving.words import BagOfWords
serve(BagOfWords(), Path(sys.argv[1]))
"""


class Strict(BagOfWords):
    """Fails a whole batch for half a character."""

    def encode(self, texts):  # type: ignore[no-untyped-def]
        for text in texts:
            text.encode()
        return super().encode(texts)


class Held(BagOfWords):
    """Computes until it is released."""

    def __init__(self) -> None:
        self.released = Event()
        self.begun: list[list[str]] = []

    def encode(self, texts):  # type: ignore[no-untyped-def]
        if len(texts):
            self.begun.append(texts)
            assert self.released.wait(120)
        return super().encode(texts)


class Other(BagOfWords):
    """Has vectors as long as another model's."""

    name = "other"


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "encoder"


@pytest.fixture
def here(socket: Path) -> Path:
    """The socket of an encoder in this process."""
    Thread(target=encoder_process.serve, args=(Strict(), socket), daemon=True).start()
    return socket


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' model has none: its vectors' length is told by the process."""
    known = dimension_of
    monkeypatch.setattr(shared_encoder, "dimension_of", lambda name: None if name == "bag" else known(name))


Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(socket: Path) -> Iterator[Start]:
    """Starts the process; each call starts another."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", PROCESS, str(socket)], cwd=REPOSITORY))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@given(st.lists(st.text(max_size=40), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_its_vectors_are_those_of_the_model(here: Path, texts: list[str]) -> None:
    shared = SharedEncoder("bag", here)
    assert shared.dimension == BagOfWords.dimension
    found = shared.encode(texts)
    assert found.dtype == np.float32
    assert np.array_equal(found, BagOfWords().encode(texts))


async def test_a_text_that_the_model_cant_read_fails_alone(here: Path) -> None:
    encoder = LiveEncoder(SharedEncoder("bag", here))
    good, bad = await asyncio.gather(
        encoder.encode("tea"), encoder.encode("gift \ud83c"), return_exceptions=True
    )
    assert isinstance(good, np.ndarray) and np.array_equal(good, BagOfWords().encode(["tea"])[0])
    assert isinstance(bad, ValueError) and not isinstance(bad, EncoderUnavailableError)
    assert encoder.available
    await encoder.close()


async def test_what_was_killed_is_done_without_until_it_is_back(start: Start, socket: Path) -> None:
    first = start()
    encoder = LiveEncoder(await asyncio.to_thread(SharedEncoder, "bag", socket))
    tea = await encoder.encode("tea")
    first.kill()
    first.wait()
    assert await encoder.encode_soon("coffee") is None
    await eventually(lambda: not encoder.available)
    assert await encoder.encode_soon("tea") is tea, "what is remembered needs no model"
    with pytest.raises(EncoderUnavailableError):
        await encoder.encode("coffee", patience=0.1)
    patient = asyncio.create_task(encoder.encode("coffee", patience=60))
    start()
    assert np.array_equal(await patient, BagOfWords().encode(["coffee"])[0])
    assert encoder.available
    await encoder.close()


async def test_one_that_was_replaced_between_two_texts_is_not_missed(start: Start, socket: Path) -> None:
    first = start()
    encoder = LiveEncoder(await asyncio.to_thread(SharedEncoder, "bag", socket))
    await encoder.encode("tea")
    first.kill()
    first.wait()
    start()
    await asyncio.to_thread(SharedEncoder, "bag", socket)  # it answers
    assert await encoder.encode("coffee", patience=60) is not None
    assert encoder.available
    await encoder.close()


async def test_one_that_hangs_is_waited_for_once(start: Start, socket: Path) -> None:
    process = start()
    await asyncio.to_thread(SharedEncoder, "bag", socket)
    encoder = LiveEncoder(SharedEncoder("bag", socket, patience=0.5))
    process.send_signal(signal.SIGSTOP)
    await eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    assert await encoder.encode_soon("tea") is None
    await eventually(lambda: not encoder.available)
    assert await encoder.encode_soon("coffee") is None
    process.send_signal(signal.SIGCONT)
    await eventually(lambda: encoder.available)
    assert await encoder.encode("tea", patience=60) is not None
    await encoder.close()


async def test_a_worker_starts_before_the_model_is_loaded(start: Start, socket: Path) -> None:
    shared = SharedEncoder("all-MiniLM-L6-v2", socket)
    assert shared.dimension == 384
    encoder = LiveEncoder(shared)
    await encoder.open()
    assert not encoder.available
    assert await encoder.encode_soon("tea") is None
    await encoder.close()


def test_a_model_that_never_loads_is_told(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_encoder, "_LOADING_SECONDS", 0.1)
    with pytest.raises(EncoderError, match="did not answer"):
        SharedEncoder("bag", socket)
    with pytest.raises(EncoderError, match="neither a folder"):
        SharedEncoder("no-such-model", socket)


def test_it_ends_when_who_started_it_had_died_before_it_could_look(socket: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    command = [sys.executable, "-m", encoder_process.__name__, str(socket), str(dead.pid)]
    ended = subprocess.run(command, cwd=REPOSITORY, timeout=120, check=False)
    assert ended.returncode == 0
    assert not socket.exists()


async def test_a_slow_model_is_waited_for_and_not_asked_again(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_thread, "_SOON_SECONDS", 0.01)
    monkeypatch.setattr(encoder_thread, "_HUNG_SECONDS", 0.01)
    assert shared_encoder._ANSWER_SECONDS > encoder_thread._PATIENCE_SECONDS, "nobody waits as long"
    model = Held()
    Thread(target=encoder_process.serve, args=(model, socket), daemon=True).start()
    encoder = LiveEncoder(await asyncio.to_thread(SharedEncoder, "bag", socket))
    tea = asyncio.create_task(encoder.encode("tea", patience=60))
    await eventually(lambda: bool(model.begun) and not encoder.available)
    with pytest.raises(EncoderUnavailableError):
        await encoder.encode("coffee", patience=0.05)
    assert await encoder.encode_soon("cocoa") is None
    model.released.set()
    assert np.array_equal(await tea, BagOfWords().encode(["tea"])[0])
    assert await encoder.encode("coffee", patience=60) is not None
    assert model.begun == [["tea"], ["coffee"]] and encoder.available
    await encoder.close()


async def test_one_that_hangs_does_not_hold_up_the_end_of_a_worker(
    start: Start, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_thread, "_SOON_SECONDS", 0.1)
    monkeypatch.setattr(encoder_thread, "_HUNG_SECONDS", 0.1)
    process = start()
    encoder = LiveEncoder(await asyncio.to_thread(SharedEncoder, "bag", socket, patience=600))
    process.send_signal(signal.SIGSTOP)
    await eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    more_than_the_socket_holds = "tea " * 1_000_000
    assert await encoder.encode_soon(more_than_the_socket_holds) is None
    await eventually(lambda: not encoder.available)
    async with asyncio.timeout(60):
        await encoder.close()


async def test_vectors_of_another_model_are_refused(
    socket: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_encoder, "dimension_of", lambda name: BagOfWords.dimension)
    Thread(target=encoder_process.serve, args=(Other(), socket), daemon=True).start()
    await eventually(socket.exists)
    encoder = LiveEncoder(SharedEncoder("bag", socket))
    await encoder.open()
    with caplog.at_level(logging.ERROR), pytest.raises(EncoderUnavailableError):
        await encoder.encode("tea", patience=1)
    assert not encoder.available
    assert sum("'other', not 'bag'" in each.message for each in caplog.records) == 1
    with pytest.raises(EncoderUnavailableError, match="has the model 'other', not 'bag'"):
        SharedEncoder("bag", socket).encode(["tea"])
    await encoder.close()


@pytest.mark.parametrize("name", ["x" * 120, "file/encoder"], ids=["too long", "no folder"])
async def test_a_socket_that_cant_be_opened_is_no_model(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_encoder, "dimension_of", lambda name: BagOfWords.dimension)
    (tmp_path / "file").touch()
    encoder = LiveEncoder(SharedEncoder("bag", tmp_path / name))
    await encoder.open()
    assert not encoder.available
    assert await encoder.encode_soon("tea") is None
    with pytest.raises(EncoderUnavailableError):
        await encoder.encode("tea", patience=0.05)
    await encoder.close()
    assert sum("can't be reached" in each.message for each in caplog.records) == 1


async def test_a_model_that_fails_without_a_text_is_not_there() -> None:
    class Broken(BagOfWords):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            raise RuntimeError("no memory")

    encoder = LiveEncoder(Broken())
    await encoder.open()
    assert not encoder.available
    await encoder.close()
