"""Example requests with an installation's own ids, and what they return."""

import json
from dataclasses import dataclass
from shlex import quote as shell_quote
from textwrap import shorten
from typing import Any
from urllib.parse import quote

import httpx

from database.examples import Examples

SHOWN_TITLES = 3
TITLE_CHARACTERS = 40
KEY = "$SHORTLIST_KEY"
"""What stands for the key in a printed command, where reading needs one."""


@dataclass(frozen=True)
class ExampleRequest:
    """A request for a list; with a body it is a POST."""

    about: str
    path: str
    body: dict[str, Any] | None = None

    def command(self, address: str, *, with_key: bool = False) -> str:
        """The curl command, quoted for a shell whatever the ids hold."""
        words = ["curl", shell_quote(f"{address}{self.path}")]
        if self.body is not None:
            words += ["-H", "'Content-Type: application/json'"]
            words += ["-d", shell_quote(json.dumps(self.body, ensure_ascii=False))]
        if with_key:
            words += ["-H", f'"X-API-Key: {KEY}"']
        return " ".join(words)


def requests_for(examples: Examples) -> list[ExampleRequest]:
    """Requests that name what the examples have; without any of them, one for what is trending."""
    found = []
    if examples.user_id is not None:
        body = {"user_id": examples.user_id, "n": 5}
        found.append(ExampleRequest(f"for user {examples.user_id}", "/v1/recommend", body))
    if examples.item_id is not None:
        body = {"item_id": examples.item_id, "n": 5}
        found.append(ExampleRequest(f"similar to {examples.item_id}", "/v1/similar", body))
    if examples.word is not None:
        found.append(
            ExampleRequest(f'search for "{examples.word}"', "/v1/search", {"query": examples.word, "n": 5})
        )
    if examples.user_id is not None:
        path = f"/recommendations/home?user_id={quote(examples.user_id, safe='')}&response_limit=5"
        found.append(ExampleRequest("home page of that user, by the original API", path))
    return found or [ExampleRequest("trending", "/v1/trending", {"n": 5})]


def result_line(request: ExampleRequest, address: str, key: str | None) -> str | None:
    """What the service returns now, in one line; None if it does not take the request.

    The original APIs refuse ids that are not of their form; /v1 takes any.

    Raises httpx.HTTPError when the service does not respond.
    """
    headers = {} if key is None else {"X-API-Key": key}
    method = "GET" if request.body is None else "POST"
    reply = httpx.request(
        method, f"{address}{request.path}", json=request.body, headers=headers, timeout=30, trust_env=False
    )
    if reply.status_code != httpx.codes.OK:
        return None
    found = reply.json()
    if "items" not in found:
        lists = {name: rows for name, rows in found.items() if isinstance(rows, list)}
        return ", ".join(f"{name}: {len(rows)}" for name, rows in lists.items())
    items = found["items"]
    titles = [shorten(item["title"], TITLE_CHARACTERS, placeholder=" …") for item in items[:SHOWN_TITLES]]
    return f"{len(items)} items" + (f": {'; '.join(titles)}" if titles else "")
