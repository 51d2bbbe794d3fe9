"""Bodies of many rows: however they are cut into parts, and line by line as by a slow and simple reading."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from serving.api.errors import ApiError
from serving.api.v1 import rows
from serving.api.v1.rows import MAX_LINE_BYTES, MAX_ROWS, RowReader


class Shape(BaseModel):
    """A row."""

    model_config = ConfigDict(extra="forbid")
    id: str


Found = tuple[list[tuple[int, str]], list[int], bool] | tuple[int, str]


def read(parts: list[bytes], *, lines: bool = False) -> Found:
    """Ids of the good rows, places of the bad, and whether it is one object; or how it is refused."""
    reader = RowReader(Shape, lines=lines)
    try:
        for part in parts:
            reader.feed(part)
        found = reader.finish()
    except ApiError as error:
        return error.status_code, str(error.detail)
    return [(index, row.id) for index, row in found.good.items()], list(found.bad), found.single


def plainly(body: bytes) -> Found:
    """The same, of a whole body: JSON if it is, else line by line."""
    single = False
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(body)
        values = whole if isinstance(whole, list) else [whole]
        single = not isinstance(whole, list)
    except ValueError:
        if not body.strip().startswith(b"{"):
            return 400, "the body is neither JSON nor one object a line"
        values = [_value(line) for line in body.strip().splitlines() if line.strip()]
    if not values:
        return 422, "the body has no rows"
    good = {
        index: value["id"]
        for index, value in enumerate(values)
        if isinstance(value, dict) and list(value) == ["id"] and isinstance(value["id"], str)
    }
    return list(good.items()), [index for index in range(len(values)) if index not in good], single


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


LINES = st.sampled_from(
    [
        b'{"id": "a"}',
        b'{"id": "\xc3\xa9\xe2\x80\xa8"}',
        b'{"id": 5}',
        b'{"id": "b", "more": 1}',
        b"{broken",
        b'{"id":',
        b'"c"}',
        b'{"id": "d"} {"id": "e"}',
        b"[]",
        b"5",
        b"null",
        b"",
        b"  ",
    ]
)
ARRAYS = st.sampled_from(
    [b"[]", b'[{"id": "a"}, {"id": 5}, 7]', b'[\n{"id": "a"}\n,\r\n{"id": "b"}]', b"[{", b"x"]
)
BODIES = ARRAYS | st.lists(
    st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"])), max_size=6
).map(lambda found: b"".join(line + end for line, end in found))


@st.composite
def cut(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A body, and the same in parts."""
    body = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"])) + draw(BODIES | BODIES.map(bytes.strip))
    places = sorted(draw(st.sets(st.integers(0, len(body)))))
    return body, [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@given(cut())
def test_a_body_in_parts_has_the_rows_of_the_whole(bodies: tuple[bytes, list[bytes]]) -> None:
    body, parts = bodies
    assert read(parts) == read([body]) == plainly(body)


@given(cut())
def test_what_says_that_it_is_lines_has_the_same_rows_however_it_is_cut(
    bodies: tuple[bytes, list[bytes]],
) -> None:
    body, parts = bodies
    assert read(parts, lines=True) == read([body], lines=True)


@pytest.mark.parametrize("lines", [False, True])
def test_of_lines_no_more_is_held_than_has_not_ended(lines: bool) -> None:
    reader = RowReader(Shape, lines=lines)
    for number in range(1000):
        reader.feed(b'{"id": "%d"}\n{"id"' % number)
        assert bytes(reader._rest) == b'{"id"'
        reader.feed(b': "x"}\n')
        assert not reader._rest
    assert len(reader.finish().good) == 2000


def test_a_line_too_many_is_refused_as_it_comes() -> None:
    reader = RowReader(Shape)
    for _ in range(MAX_ROWS):
        reader.feed(b'{"id": "a"}\n')
    with pytest.raises(ApiError, match="more than 10000 rows"):
        reader.feed(b'{"id": "a"}\n')


@pytest.mark.parametrize("before", [b"", b'{"id": "a"}\n'])
@pytest.mark.parametrize("size", [997, 2 * MAX_LINE_BYTES])
def test_a_line_that_is_too_long_is_refused_before_it_has_ended(before: bytes, size: int) -> None:
    reader = RowReader(Shape)
    reader.feed(before)
    body = b'{"id": "' + b"a" * 2 * MAX_LINE_BYTES
    with pytest.raises(ApiError, match="a line of the body is longer") as refused:
        for start in range(0, len(body), size):
            reader.feed(body[start : start + size])
    assert refused.value.status_code == 413
    assert read([before + body + b'"}\n']) == (413, str(refused.value.detail))


def test_a_line_of_just_the_largest_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b'{"id": "a"}'
    monkeypatch.setattr(rows, "MAX_LINE_BYTES", len(line))
    assert read([line + b"\r\n" + line]) == ([(0, "a"), (1, "a")], [], False)
