"""The text of a file: unpacked, in the encoding that its bytes are in."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from database.ingest.chunk import IngestError, WrongFormat

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether the file begins with these bytes.

    Raises:
        WrongFormat: it is no readable file.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise WrongFormat(f"{path}: {error.strerror}") from error


def text_encoding(path: Path, stated: str | None = None) -> str:
    """Name of the encoding that every line of the file is in.

    It is the `stated` one, else that of the byte order mark, else UTF-8, else Windows-1252, of which the
    letters of Latin-1 are a part. A file that mixes encodings has none: ids that differ could become one.

    Raises:
        IngestError: a line is in none, or some lines are UTF-8 and others are not; names line and byte.
    """
    with ending_on_damage(path), _unpacked(path) as (stream, _):
        marked = stated or _marked(stream)
        if marked is not None or _is_utf8(stream):
            return marked or "utf-8"
    with ending_on_damage(path), _unpacked(path) as (stream, _):
        return _single_bytes(path, stream)


def encoding_notes(encoding: str) -> tuple[str, ...]:
    """What to say of the encoding; nothing of UTF-8."""
    return () if encoding.startswith("utf-8") else (f"the text is read as {encoding}",)


@contextmanager
def text_of(
    path: Path, encoding: str | None = None
) -> Iterator[tuple[io.TextIOWrapper, Callable[[], float]]]:
    """The file's text, and a function that says how much of its bytes has been read, 0..1.

    Without an encoding, for a look at the beginning, bytes that are not UTF-8 are replaced.
    """
    with _unpacked(path) as (stream, position):
        known = encoding or _marked(stream) or "utf-8"
        errors = "replace" if encoding is None else "strict"
        with io.TextIOWrapper(stream, encoding=known, errors=errors, newline="") as text:
            yield text, position


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """A file that can't be read is of the wrong format, as far as a check knows."""
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        raise WrongFormat(f"{path}: not readable: {error}") from error


@contextmanager
def ending_on_damage(path: Path) -> Iterator[None]:
    """A file that turns out to be damaged, or in another encoding than was stated, is refused as a whole."""
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        raise IngestError(f"{path}: damaged file: {error}") from error
    except UnicodeError as error:
        raise IngestError(f"{path}: not in the encoding that it is read in: {error}") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    size = max(path.stat().st_size, 1)
    packed = starts_with(path, _GZIP)
    with path.open("rb") as raw:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BLOCK) if packed else raw
        yield stream, lambda: min(raw.tell() / size, 1.0)


def _marked(stream: IO[bytes]) -> str | None:
    beginning = stream.peek(4)[:4]  # type: ignore[attr-defined]  # both kinds of stream are buffered readers
    return next((name for mark, name in _MARKS if beginning.startswith(mark)), None)


def _is_utf8(stream: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := stream.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _single_bytes(path: Path, stream: IO[bytes]) -> str:
    """Windows-1252, if every line fits and none that is not plain ASCII is UTF-8."""
    first: tuple[int, int] | None = None
    utf8 = 0
    for number, line in enumerate(stream, start=1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            utf8 = utf8 or number
        except UnicodeDecodeError as error:
            first = first or (number, line[error.start])
            try:
                line.decode("cp1252")
            except UnicodeDecodeError as unknown:
                raise IngestError(_mixed(path, number, line[unknown.start])) from unknown
        if utf8 and first is not None:
            raise IngestError(f"{_mixed(path, *first)}, while line {utf8} is UTF-8")
    return "cp1252"


def _mixed(path: Path, line: int, byte: int) -> str:
    return f"{path}: line {line} has the byte 0x{byte:02X}, which is not UTF-8"
