"""Batches: how OpenAPI describes their bodies, and what became of each row of whole items or users."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from serving.api.responses import answer
from serving.api.v1.problems import FieldProblem
from serving.api.v1.rows import LINES, MAX_ROWS


class RowResult(BaseModel):
    """What became of a row."""

    index: int
    id: str | None
    status: int = Field(description="201 new, 200 replaced, 422 refused")
    errors: list[FieldProblem] | None


class BatchAnswer(BaseModel):
    """What became of a batch."""

    stored: int
    refused: int
    results: list[RowResult]


LINE_RESULTS: dict[str, Any] = {
    "content": {LINES: {"schema": {"type": "string", "description": "One of `results` a line"}}}
}
"""What OpenAPI says of a batch's answer beside its model."""


def batch_body(examples: Mapping[str, Any], *, alone: bool = False) -> dict[str, Any]:
    """What OpenAPI says of a body that is read row by row; `alone`: an object by itself will do, too.

    Of `examples` those that are lists are shown as lines, too.
    """
    schema = {
        "type": ["object", "array"] if alone else "array",
        "items": {"type": "object"},
        "maxItems": MAX_ROWS,
    }
    lines = {
        name: {"value": b"".join(map(_line, example["value"])).decode()}
        for name, example in examples.items()
        if isinstance(example["value"], list)
    }
    content = {
        "application/json": {"schema": schema, "examples": examples},
        LINES: {"schema": {"type": "string", "description": "One object a line"}, "examples": lines},
    }
    return {"requestBody": {"required": True, "content": content}}


def batch_answer(
    request: Request,
    ids: Mapping[int, str],
    created: Mapping[str, bool],
    refused: Mapping[int, Sequence[FieldProblem]],
) -> Response:
    """200 if all rows are stored, 207 if some are refused; a result a line for who accepts such an answer.

    Args:
        ids: of the rows that could be read, by index.
        created: whether each id that is stored is new.
        refused: what is wrong with the rows that are not, by index.
    """
    results = [
        {
            "index": index,
            "id": ids.get(index),
            "status": 422 if index in refused else 201 if created[ids[index]] else 200,
            "errors": [each.model_dump() for each in refused[index]] if index in refused else None,
        }
        for index in sorted({*ids, *refused})
    ]
    status = 207 if refused else 200
    if LINES in request.headers.get("accept", ""):
        return Response(b"".join(map(_line, results)), status, media_type=LINES)
    body = {"stored": len(results) - len(refused), "refused": len(refused), "results": results}
    return answer(body, status)


def _line(result: Mapping[str, Any]) -> bytes:
    return orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE)
