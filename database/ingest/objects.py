"""Files of objects as rows of fields: JSON lines, JSON documents, XML feeds, Parquet with nested columns.

A nested object's fields are named with a point ("customer.id"). An object that has a list of objects under a
name such as "items" (an order its lines, a session its events) is a row for each of them, with its own
fields repeated as "outer.…"; other lists of objects are one field. Numbers keep the text that they are
written in, and that they are numbers.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from database.ingest.chunk import IngestError, WrongFormatError
from database.ingest.decoding import bytes_of, ending_on_damage, text_of
from database.ingest.typed_numbers import TypedNumber

Row = dict[str, str | None]

OUTER = "outer."
"""Before the name of a field that belongs to the object around a row's."""
_ROWS = (
    "events",
    "productDetails",
    "product_details",
    "line_items",
    "interactions",
    "orders",
    "order_items",
    "rows",
    "records",
    "results",
)
_PARTS = ("items", "products", "data")
"""Names of lists whose objects are rows; those of _PARTS not in an object that is an item itself, a set."""
_IDS, _TITLES = {"id", "sku", "item_id", "product_id"}, {"name", "title"}
_SAYING = ("src", "url", "href", "name", "title")
"""The field that says most of an object which is one of several values: of a picture, of a category."""
_RECORDS = {"item", "entry", "product", "offer", "shopitem", "article", "row", "record", "event"}
"""Elements of XML that are rows."""
_AGAIN = "write or download the file again"
_BLOCK = 1 << 20
_PARQUET_ROWS = 2000
_DEEPEST = 8
_SKIPPED = re.compile(r"[ \t\r\n,\ufeff]*")
_DECODER = json.JSONDecoder(parse_float=TypedNumber, parse_int=str)


def json_rows(path: Path, encoding: str | None) -> Iterator[tuple[int, Row | str, float]]:
    """Rows of JSON: (line or number from 1, fields or the text of a line that is no object, progress 0..1).

    Raises IngestError when a document of several lines is damaged.
    """
    with ending_on_damage(path), text_of(path, encoding) as (stream, position):
        first = stream.readline(_BLOCK)
        second = stream.readline(_BLOCK) if first.lstrip("\ufeff ").startswith("{") else ""
        if _parsed(first) is not None or _parsed(second) is not None:
            for number, line in enumerate(itertools.chain([first, second], stream), start=1):
                if line.strip():
                    value = _parsed(line)
                    for row in [line.rstrip("\r\n")] if value is None else rows_of(value):
                        yield number, row, position()
            return
        number = 0
        for value in _documents(path, first + second, stream):
            for row in rows_of(value) if isinstance(value, dict) else [json.dumps(value)]:
                number += 1
                yield number, row, position()


def xml_rows(path: Path) -> Iterator[tuple[int, Row | str, float]]:
    """Rows of an XML feed: (number from 1, fields, progress 0..1).

    Raises WrongFormatError when no element of it is one that feeds have for a row; IngestError when it is
    damaged.
    """
    number, kind, depth = 0, "", 0
    seen: dict[str, None] = {}
    with ending_on_damage(path), bytes_of(path) as (stream, position):
        try:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                name = _local(element.tag)
                if event == "start":
                    seen.setdefault(name)
                    kind = kind or (name if name in _RECORDS else "")
                    depth += name == kind
                elif name == kind:
                    depth -= 1
                    if not depth:
                        number += 1
                        yield number, _element_row(element), position()
                        element.clear()
        except ElementTree.ParseError as error:
            raise IngestError(f"{path}: damaged XML: {error}; {_AGAIN}") from error
    if not number:
        told = f"XML without items, products or the like; its elements are {', '.join([*seen][:12])}"
        raise WrongFormatError(f"{path}: {told}; each row must be an element such as <item>")


def parquet_rows(path: Path) -> Iterator[tuple[int, Row | str, float]]:
    """Rows of Parquet whose columns hold objects: (number from 1, fields, progress 0..1).

    Raises IngestError when it is damaged.
    """
    number, done = 0, 0
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                for value in batch.to_pylist():
                    for row in rows_of(value):
                        number += 1
                        yield number, row, done / file.metadata.num_rows
                    done += 1
    except (pa.ArrowException, OSError) as error:
        raise IngestError(f"{path}: damaged Parquet: {error}; {_AGAIN}") from error


def rows_of(value: Mapping[str, Any]) -> list[Row]:
    """An object's rows of fields.

    >>> rows_of({"session": "7", "events": [{"aid": "1", "tags": ["a", "b"]}, {"aid": "2"}]})
    [{'aid': '1', 'tags': 'a|b', 'outer.session': '7'}, {'aid': '2', 'outer.session': '7'}]
    """
    value = _with_objects(value)
    key = _list_of_rows(value)
    own: Row = {}
    _add(own, "", {name: each for name, each in value.items() if name != key})
    if key is None:
        return [own]
    outer = {f"{OUTER}{name}": text for name, text in own.items()}
    return [inner | {**outer, **inner} for each in value[key] for inner in rows_of(each)]


def _with_objects(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event of Algolia's, whose ids and what is known of each are two lists, with one list of objects."""
    ids, known = value.get("objectIDs"), value.get("objectData")
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) for each in ids):
        return value
    data = (
        known if isinstance(known, list) and _objects(known) and len(known) == len(ids) else [{}] * len(ids)
    )
    rows = [{**each, "objectID": name} for name, each in zip(ids, data, strict=True)]
    around = {name: each for name, each in value.items() if name not in ("objectIDs", "objectData")}
    return {**around, "rows": rows}


def _list_of_rows(value: Mapping[str, Any]) -> str | None:
    is_item = bool(_IDS & value.keys() and _TITLES & value.keys())
    names: tuple[str, ...] = _ROWS if is_item else (*_ROWS, *_PARTS)
    if "search" in (value.get("eventType"), value.get("event_type")):
        names = ("events",)  # other lists are of the products that were found, and the search is one
    return next((name for name in names if _objects(value.get(name))), None)


def _add(row: Row, prefix: str, value: Mapping[str, Any], depth: int = 0) -> None:
    for name, field in value.items():
        if isinstance(field, dict) and depth < _DEEPEST:
            _add(row, f"{prefix}{name}.", field, depth + 1)
        elif _pairs(field):  # as in Google Analytics: {"key": "ga_session_id", "value": {"int_value": "7"}}
            for each in field:
                row[f"{prefix}{name}.{each['key']}"] = _first_text(each["value"])
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
    if isinstance(field, list):
        texts = [_said(each) for each in field]
        return "|".join(text for text in texts if text) or None
    if isinstance(field, datetime | date):
        return field.isoformat()
    if isinstance(field, float):
        return TypedNumber(json.dumps(field))
    return json.dumps(field, ensure_ascii=False, default=str)


def _said(value: Any) -> str | None:
    """One of several values as a text: of an object, the field that says most."""
    if not isinstance(value, dict):
        return _text(value)
    name = next((name for name in _SAYING if isinstance(value.get(name), str)), None)
    return json.dumps(value, ensure_ascii=False) if name is None else _text(value[name])


def _element_row(element: ElementTree.Element) -> Row:
    row: Row = {}
    if not len(element) and (element.text or "").strip():
        row[_local(element.tag)] = (element.text or "").strip()
    attributes: Row = {}
    _add_element(row, attributes, {}, "", element)
    return {**row, **{name: text for name, text in attributes.items() if name not in row}}


def _add_element(
    row: Row, attributes: Row, tags: dict[str, str], name: str, element: ElementTree.Element
) -> None:
    """Fields of an element; several of one tag are one field of several values, and equal texts one."""
    prefix = f"{name}." if name else ""
    for attribute, text in element.attrib.items():
        attributes.setdefault(f"{prefix}{_local(attribute)}", text)
    mixed = bool(name) and any(
        (part or "").strip() for part in (element.text, *(each.tail for each in element))
    )
    if len(element) and not mixed:
        for child in element:
            _add_element(row, attributes, tags, f"{prefix}{_local(child.tag)}", child)
    elif name:
        whole = "".join(element.itertext())
        text = " ".join(whole.split()) if mixed and len(element) else whole if whole.strip() else ""
        known = row.get(name)
        if not known:
            row[name], tags[name] = text or None, element.tag
        elif text and tags[name] == element.tag and text not in known.split("|"):
            row[name] = f"{known}|{text}"


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = _DECODER.decode(line.strip().rstrip(","))
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _documents(path: Path, text: str, stream: IO[str]) -> Iterator[Any]:
    """The values of an array, or those that stand one after the other; one at a time is held.

    Raises IngestError when a value is damaged, or the array does not end.
    """
    at, size, ended, opened = 0, _BLOCK, False, False
    while True:
        at = _next_sign(text, at)
        sign = text[at : at + 1]
        if not opened and sign == "[":
            at, opened = at + 1, True
            continue
        if opened and sign == "]":
            return
        value, end = None, at
        if sign:
            try:
                value, end = _DECODER.raw_decode(text, at)
            except (json.JSONDecodeError, RecursionError) as error:
                if ended:
                    raise IngestError(f"{path}: damaged JSON: {error}; {_AGAIN}") from error
        if end > at and (ended or end < len(text)):
            yield value
            at, size = end, _BLOCK
            continue
        if ended:
            if opened:
                raise IngestError(f"{path}: damaged JSON: the list does not end; {_AGAIN}")
            return
        block = stream.read(size)
        ended, text, at, size = not block, text[at:] + block, 0, 2 * size


def _next_sign(text: str, at: int) -> int:
    found = _SKIPPED.match(text, at)
    return at if found is None else found.end()
