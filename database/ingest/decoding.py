"""The text of a file: unpacked, in the encoding that its bytes are in."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from database.ingest.chunk import IngestError, WrongFormatError

_ZIP = b"PK\x03\x04"
_PACKED: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\x28\xb5\x2f\xfd", lambda raw: pa.CompressedInputStream(raw, "zstd")),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)
_AGAIN = "write or download the file again"
_NAME_IT = "save it as UTF-8, or name its encoding by --encoding"
_BLOCK = 1 << 20
_MOST_NAMED = 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether the file begins with these bytes. Raises WrongFormatError when it is no readable file."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise WrongFormatError(f"{path}: {error.strerror}; may this user read it?") from error


def text_encoding(path: Path, stated: str | None = None) -> str:
    """Name of the encoding that every line of the file is in.

    It is the `stated` one, else that of the byte order mark, else UTF-8, else Windows-1252, of which the
    letters of Latin-1 are a part. A file that mixes encodings has none: ids that differ could become one.

    Raises IngestError when a line is in none, or some lines are UTF-8 and others are not; names line and
    byte.
    """
    with ending_on_damage(path), bytes_of(path) as (stream, _):
        marked = stated or _marked(stream)
        if marked is not None or _is_utf8(stream):
            return marked or "utf-8"
    with ending_on_damage(path), bytes_of(path) as (stream, _):
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
    with bytes_of(path) as (stream, position):
        known = encoding or _marked(stream) or "utf-8"
        errors = "replace" if encoding is None else "strict"
        with io.TextIOWrapper(stream, encoding=known, errors=errors, newline="") as text:
            yield text, position


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """A file that can't be read is of the wrong format, as far as a check knows."""
    try:
        yield
    except _DAMAGE as error:
        raise WrongFormatError(f"{path}: not readable: {error}; {_AGAIN}") from error


@contextmanager
def ending_on_damage(path: Path) -> Iterator[None]:
    """A file that turns out to be damaged, or in another encoding than was stated, is refused as a whole."""
    try:
        yield
    except _DAMAGE as error:
        raise IngestError(f"{path}: damaged file: {error}; {_AGAIN}") from error
    except UnicodeError as error:
        told = f"not in the encoding that it is read in: {error}"
        raise IngestError(f"{path}: {told}; name the right one by --encoding") from error


def is_zip(path: Path) -> bool:
    """Whether the file is a zip, by its first bytes."""
    return starts_with(path, _ZIP)


def zip_members(path: Path) -> list[str]:
    """Names of the files in a zip. Raises WrongFormatError for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError) as error:
        raise WrongFormatError(f"{path}: not a readable zip: {error}; {_AGAIN}") from error


@contextmanager
def bytes_of(path: Path) -> Iterator[tuple[io.BufferedReader, Callable[[], float]]]:
    """The file's bytes, unpacked, and a function that says how much of the file has been read, 0..1.

    Raises WrongFormatError for a zip of several files.
    """
    size = max(path.stat().st_size, 1)
    with ExitStack() as opened:
        raw = opened.enter_context(path.open("rb"))
        stream: Any = raw
        if is_zip(path):
            archive = opened.enter_context(zipfile.ZipFile(raw))
            stream = io.BufferedReader(opened.enter_context(archive.open(_only_member(path))), _BLOCK)
        else:
            unpack = next((unpack for magic, unpack in _PACKED if starts_with(path, magic)), None)
            if unpack is not None:
                stream = io.BufferedReader(opened.enter_context(unpack(raw)), _BLOCK)
        yield stream, lambda: min(raw.tell() / size, 1.0)


def _only_member(path: Path) -> str:
    members = [name for name in zip_members(path) if not name.startswith("__MACOSX/")]
    if len(members) != 1:
        names = ", ".join(members[:_MOST_NAMED]) + (", ..." if len(members) > _MOST_NAMED else "")
        raise WrongFormatError(
            f"{path}: a zip of {len(members)} files ({names}); unpack it and load each of them"
        )
    return members[0]


def _marked(stream: io.BufferedReader) -> str | None:
    beginning = stream.peek(4)[:4]
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
                raise IngestError(f"{_mixed(path, number, line[unknown.start])}; {_NAME_IT}") from unknown
        if utf8 and first is not None:
            raise IngestError(f"{_mixed(path, *first)}, while line {utf8} is UTF-8; {_NAME_IT}")
    return "cp1252"


def _mixed(path: Path, line: int, byte: int) -> str:
    return f"{path}: line {line} has the byte 0x{byte:02X}, which is not UTF-8"
