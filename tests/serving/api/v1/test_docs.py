"""The examples of docs/api.md, in their order, as they stand there."""

import re

import httpx

from database.settings import REPOSITORY

_EXAMPLE = re.compile(r"```http\n(?P<method>\w+) (?P<path>\S+)\n(?:\n(?P<body>.*?))?```", re.DOTALL)


def test_the_examples_work_as_they_stand(shop: httpx.Client) -> None:
    found = list(_EXAMPLE.finditer((REPOSITORY / "docs" / "api.md").read_text()))
    assert found
    for each in found:
        headers = {"Content-Type": "application/json"}
        answer = shop.request(each["method"], each["path"], content=each["body"] or b"", headers=headers)
        assert answer.status_code in (200, 201, 204), (each["path"], answer.text)
