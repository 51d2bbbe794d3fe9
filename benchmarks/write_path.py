"""A new article, from its creation until every worker finds its neighbours, and the encoding of one alone.

Both in turns: an article is created over one connection; then each worker is asked, over a connection that it
is known to hold, for what is near the article, which takes its vector. The reference is one call of the
encoder, on one thread as in the service, of another article's text: title and content, as they are stored.
"""

import http.client
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter, sleep
from typing import Any

import click
import psutil

from benchmarks.report import table
from benchmarks.resident import is_worker
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.service import WORKERS, served
from benchmarks.shop import service_environment
from benchmarks.speed.texts import titles_of
from benchmarks.temporary_database import temporary_database
from database.items import embedding_text
from serving.vectors.encoder_process import load_encoder
from training.models.core.encoder import TextEncoder
from training.params import load_params

MOST = 3.0
"""Times the encoding alone that 95 of 100 articles may take."""
_WARM = 20
_SECONDS = 180.0
_TRIES = 200


@click.command()
@click.option("--articles", default=200, show_default=True, type=click.IntRange(20))
@page_option
def run(articles: int, page: Path | None) -> None:
    """How long a new article takes until every worker has it and its vector."""
    titles = titles_of(2 * (articles + _WARM))
    encoder = load_encoder(load_params().embeddings.model)
    command = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-") as name,
        temporary_database(durable=True) as (url, _),
    ):
        folder = Path(name)
        with served(command, service_environment(folder, url), folder) as (port, process):
            server = psutil.Process(process.pid)
            wait_for_encoder(a_line_to_each(port, server)[0])
            measured: list[tuple[float, float]] = []
            for at in range(0, len(titles), 2):
                try:
                    took = _round(a_line_to_each(port, server), encoder, *titles[at : at + 2])
                except (ConnectionError, http.client.NotConnected):
                    continue  # the service closes a connection after one in some hundred answers
                measured.append(took)
    measured = measured[_WARM:]
    _tell(measured, page)


def _round(
    lines: Sequence[http.client.HTTPConnection], encoder: TextEncoder, ours: str, theirs: str
) -> tuple[float, float]:
    """Seconds until an article is visible, and of an encoding."""
    took = visible(lines, ours)
    text = embedding_text(theirs, None, None, (), theirs)
    started = perf_counter()
    encoder.encode([text])
    return took, perf_counter() - started


def visible(lines: Sequence[http.client.HTTPConnection], title: str) -> float:
    """Create an article and ask every worker for its neighbours; seconds.

    Raises RuntimeError for a worker that finds none.
    """
    started = perf_counter()
    made = _ask(lines[0], "/api/articles", {"title": title, "content": title})
    for line in lines:
        found = _ask(line, "/api/recommend", {"article_id": made["id"]})
        if not found["recommendations"] and made["id"] > 1:
            raise RuntimeError(f"a worker finds nothing near article {made['id']}")
    return perf_counter() - started


def a_line_to_each(port: int, server: psutil.Process) -> list[http.client.HTTPConnection]:
    """One open connection to each worker: they share the socket, so it is tried until each has taken one."""
    found: dict[int, http.client.HTTPConnection] = {}
    for _ in range(_TRIES):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        line.connect()
        line.auto_open = 0  # anew, it might reach another worker
        own = line.sock.getsockname()[1]
        _ask(line, "/status", None)
        for worker in filter(is_worker, server.children(recursive=True)):
            if any(each.raddr and each.raddr.port == own for each in worker.net_connections("tcp")):
                found.setdefault(worker.pid, line)
        if len(found) == WORKERS:
            return list(found.values())
    raise RuntimeError(f"of {WORKERS} workers only {len(found)} took a connection")


def wait_for_encoder(line: http.client.HTTPConnection) -> None:
    """Raises RuntimeError when the embedding model is not loaded within _SECONDS."""
    give_up = monotonic() + _SECONDS
    while _ask(line, "/status", None)["similarity_search"]["encoder"] != "ready":
        if monotonic() > give_up:
            raise RuntimeError("the embedding model does not load")
        sleep(0.5)


def _ask(line: http.client.HTTPConnection, path: str, body: object) -> dict[str, Any]:
    if body is None:
        line.request("GET", path)
    else:
        line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = line.getresponse()
    said = answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{path}: {answer.status}: {said.decode()}")
    found: dict[str, Any] = json.loads(said)
    return found


def _tell(measured: Sequence[tuple[float, float]], page: Path | None) -> None:
    rows, at_95 = [], []
    for what, seconds in zip(("article visible", "its encoding"), zip(*measured, strict=True), strict=True):
        cuts = quantiles(seconds, n=100)
        at_95.append(cuts[94])
        rows.append((what, 1000 * cuts[49], 1000 * cuts[94], 1000 * max(seconds)))
    table(f"{len(measured)} articles, {WORKERS} workers", ("", "p50 ms", "p95 ms", "worst ms"), rows)
    ratio = at_95[0] / at_95[1]
    ours, theirs = (f"P95 {1000 * seconds:.1f} ms" for seconds in at_95)
    what = "a new article visible on every worker; its encoding alone"
    row = Row(15, what, ours, theirs, f"{ratio:.2f}", f"≤ {MOST:g}", ratio <= MOST)
    tell_rows([row], f"{len(measured)} articles", page)
