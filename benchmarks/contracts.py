"""Send every example request of the original APIs to a running service with curl, and write the responses.

    python -m benchmarks.contracts http://127.0.0.1:3000 --out docs/contracts.md

It creates the users, content and articles of the examples, so use a test installation.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from training.markdown import table

EXAMPLES = Path(__file__).with_name("contracts.yaml")
_PREVIEW = 120
"""Characters of an answer that the page holds."""
_SECONDS = 60
_HEAD = """# Example requests and responses

Every example request of the four original API specifications (shop, matrix factorisation, hybrid,
articles), sent with curl to the service as written, except for host and port. A few requests that the
specifications describe without an example are added: errors, and reading and replacing an article. The
service has two workers and each request a connection of its own, so either worker may answer. The bundle is
a real one of a small shop. Airflow is replaced by a stub that accepts requests for runs and runs none.

`tests/serving/test_contracts.py` sends the requests and checks every status code. This page is written by
`python -m benchmarks.contracts ADDRESS --out docs/contracts.md`, or by that test with
`SHORTLIST_CONTRACTS_PAGE=docs/contracts.md` in its environment.
"""


@dataclass(frozen=True)
class Example:
    """One request of an API specification, and the status code it promises."""

    document: str
    method: str
    path: str
    body: str | None
    status: int


@dataclass(frozen=True)
class Answer:
    """The response to an example; `path` is the requested path, with ids filled in."""

    example: Example
    path: str
    status: int
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def read_examples(path: Path = EXAMPLES) -> list[Example]:
    """The examples in the order of the specifications."""
    documents: dict[str, list[dict[str, Any]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Example(document, row["method"], row["path"], row.get("body"), row["status"])
        for document, rows in documents.items()
        for row in rows
    ]


def send_all(address: str, examples: Sequence[Example]) -> list[Answer]:
    """Send them one after another. `{id}` in a path is the article that was created last."""
    answers: list[Answer] = []
    article = ""
    for example in examples:
        path = example.path.replace("{id}", article)
        answer = send(address, example, path)
        if (example.method, example.path, answer.status) == ("POST", "/api/articles/", 201):
            article = str(answer.json["id"])
        answers.append(answer)
    return answers


def send(address: str, example: Example, path: str) -> Answer:
    """One request on a connection of its own. Raises CalledProcessError when nothing answers."""
    command = [
        "curl",
        "-sS",
        "-m",
        str(_SECONDS),
        "-w",
        "\n%{http_code}",
        "-X",
        example.method,
        address + path,
    ]
    if example.body is not None:
        command += ["-H", "Content-Type: application/json", "-d", example.body]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    body, _, status = said.rpartition("\n")
    return Answer(example, path, int(status), body)


def as_page(answers: Sequence[Answer]) -> str:
    """The answers in Markdown, one table an API."""
    lines = [_HEAD]
    for document in dict.fromkeys(answer.example.document for answer in answers):
        rows = [_row(answer) for answer in answers if answer.example.document == document]
        head = ("request", "body", "status", "answer begins")
        lines += [f"## {document.capitalize()}", "", table(head, rows)]
    return "\n".join(lines)


def _row(answer: Answer) -> list[object]:
    sent = _code(" ".join((answer.example.body or "").split()))
    request = f"`{answer.example.method} {answer.path}`"
    return [request, sent, answer.status, _code(_first(answer.body))]


def _first(body: str) -> str:
    return body if len(body) <= _PREVIEW else body[:_PREVIEW] + "…"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


@click.command()
@click.argument("address")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page here.")
def main(address: str, out: Path | None) -> None:
    """Send every example to the service at ADDRESS; the exit status is 1 when one is answered otherwise."""
    answers = send_all(address.rstrip("/"), read_examples())
    if out is None:
        click.echo(as_page(answers))
    else:
        out.write_text(as_page(answers), encoding="utf-8")
    wrong = [answer for answer in answers if answer.status != answer.example.status]
    for answer in wrong:
        click.echo(
            f"{answer.example.method} {answer.path}: {answer.status}, not {answer.example.status}", err=True
        )
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
