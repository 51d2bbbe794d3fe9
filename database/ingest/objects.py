"""Files of objects as rows of fields: JSON lines, JSON documents and XML feeds.

A nested object's fields are named with a point ("customer.id"). An object that holds a list of objects (an
order its lines, a session its events) is a row for each of them, with its own fields repeated. Numbers keep
the text that they are written in.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from database.ingest.chunk import IngestError, WrongFormat
from database.ingest.decoding import bytes_of, ending_on_damage, text_of

Row = dict[str, str | None]

_ROWS = ("events", "items", "products", "line_items", "interactions", "orders", "rows", "data", "results")
"""Names of lists whose objects are rows, also beside other lists."""
_RECORDS = {"item", "entry", "product", "offer", "shopitem", "article", "row", "record", "event"}
"""Elements of XML that are rows."""
_BLOCK = 1 << 20
_DEEPEST = 8
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


def json_rows(path: Path, encoding: str | None) -> Iterator[tuple[int, Row | str, float]]:
    """Rows of JSON: (line or number from 1, fields or the text of a line that is no object, progress 0..1).

    Raises:
        IngestError: a document of several lines is damaged.
    """
    with ending_on_damage(path), text_of(path, encoding) as (stream, position):
        first = stream.readline()
        if _parsed(first) is not None:
            for number, line in enumerate(itertools.chain([first], stream), start=1):
                if line.strip():
                    value = _parsed(line)
                    for row in [line.rstrip("\r\n")] if value is None else rows_of(value):
                        yield number, row, position()
            return
        number = 0
        for value in _documents(path, first, stream):
            for row in rows_of(value) if isinstance(value, dict) else [json.dumps(value)]:
                number += 1
                yield number, row, position()


def xml_rows(path: Path) -> Iterator[tuple[int, Row | str, float]]:
    """Rows of an XML feed: (number from 1, fields, progress 0..1).

    Raises:
        WrongFormat: no element of it is one that feeds have for a row.
        IngestError: it is damaged.
    """
    number, kind = 0, ""
    seen: dict[str, None] = {}
    with ending_on_damage(path), bytes_of(path) as (stream, position):
        try:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                name = _local(element.tag)
                if event == "start":
                    seen.setdefault(name)
                    kind = kind or (name if name in _RECORDS else "")
                elif name == kind and (len(element) or element.attrib):
                    number += 1
                    row: Row = {}
                    _add_element(row, "", element)
                    yield number, row, position()
                    element.clear()
        except ElementTree.ParseError as error:
            raise IngestError(f"{path}: damaged XML: {error}") from error
    if not number:
        raise WrongFormat(
            f"{path}: XML without items, products or the like; its elements are {', '.join([*seen][:12])}"
        )


def rows_of(value: Mapping[str, Any]) -> list[Row]:
    """An object's rows of fields.

    >>> rows_of({"session": "7", "events": [{"aid": "1", "tags": ["a", "b"]}, {"aid": "2"}]})
    [{'aid': '1', 'tags': 'a|b', 'session': '7'}, {'aid': '2', 'session': '7'}]
    """
    key = _list_of_rows(value)
    if key is None:
        row: Row = {}
        _add(row, "", value)
        return [row]
    own: Row = {}
    _add(own, "", {name: each for name, each in value.items() if name != key})
    rows = []
    for inner in (row for each in value[key] for row in rows_of(each)):
        outer = {(f"outer.{name}" if name in inner else name): text for name, text in own.items()}
        rows.append(inner | outer)
    return rows


def _list_of_rows(value: Mapping[str, Any]) -> str | None:
    lists = [name for name, field in value.items() if _objects(field) and not _pairs(field)]
    known = [name for name in lists if name in _ROWS]
    return known[0] if known else lists[0] if len(lists) == 1 else None


def _add(row: Row, prefix: str, value: Mapping[str, Any], depth: int = 0) -> None:
    for name, field in value.items():
        if isinstance(field, dict) and depth < _DEEPEST:
            _add(row, f"{prefix}{name}.", field, depth + 1)
        elif _pairs(field):  # as in Google Analytics: {"key": "ga_session_id", "value": {"int_value": "7"}}
            for each in field:
                row.setdefault(str(each["key"]), _first_text(each["value"]))
        else:
            row[f"{prefix}{name}"] = _text(field)


def _objects(field: Any) -> bool:
    return isinstance(field, list) and bool(field) and all(isinstance(each, dict) for each in field)


def _pairs(field: Any) -> bool:
    return _objects(field) and all(each.keys() == {"key", "value"} for each in field)


def _first_text(value: Any) -> str | None:
    fields = value.values() if isinstance(value, dict) else [value]
    return next((text for field in fields if (text := _text(field)) is not None), None)


def _text(field: Any) -> str | None:
    if field is None or isinstance(field, str):
        return field
    if isinstance(field, bool):
        return "true" if field else "false"
    if isinstance(field, list) and not any(isinstance(each, dict | list) for each in field):
        return "|".join(text for each in field if (text := _text(each))) or None
    return json.dumps(field, ensure_ascii=False)


def _add_element(row: Row, name: str, element: ElementTree.Element) -> None:
    prefix = f"{name}." if name else ""
    for attribute, text in element.attrib.items():
        row.setdefault(f"{prefix}{_local(attribute)}", text)
    for child in element:
        _add_element(row, f"{prefix}{_local(child.tag)}", child)
    text = (element.text or "").strip()
    if name and (text or not len(element)):
        known = row.get(name)
        row[name] = f"{known}|{text}" if known and text else known or text or None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = _DECODER.decode(line.strip().rstrip(","))
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _documents(path: Path, text: str, stream: IO[str]) -> Iterator[Any]:
    """The values of an array, or those that stand one after the other; one at a time is held."""
    size, ended, opened = _BLOCK, False, False
    while True:
        text = text.lstrip(" \t\r\n,\ufeff")
        if not opened and text.startswith("["):
            text, opened = text[1:], True
            continue
        if opened and text.startswith("]"):
            text = text[1:]
            continue
        try:
            value, end = _DECODER.raw_decode(text) if text else (None, 0)
        except (json.JSONDecodeError, RecursionError) as error:
            if ended:
                raise IngestError(f"{path}: damaged JSON: {error}") from error
            end = 0
        if end and (ended or end < len(text)):
            yield value
            text = text[end:]
            size = _BLOCK
            continue
        if ended and not text:
            return
        block = stream.read(size)
        ended, text, size = not block, text + block, 2 * size
