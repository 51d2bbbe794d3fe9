"""How well the search finds what thirty hand-written queries mean, in the Online Retail catalogue.

    python -m benchmarks.relevance

The sample is loaded into a database of its own under a temporary folder, and the live plane answers: by
words alone, by meaning alone (`POST /search`), and by both fused (`GET /recommendations/search`).
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import click
import yaml

from benchmarks.temporary_database import temporary_database
from database.connection import create_pool
from database.ingest.sample import ingest_sample
from database.settings import REPOSITORY, Settings
from serving.plane import LivePlane
from serving.types import Ranked
from training.markdown import table
from training.models.core.encoder import Encoder
from training.params import Params, load_params

QUERIES = Path(__file__).with_name("relevance_queries.yaml")
AT = 5
_PRODUCTS = frozenset({"product"})

Search = Callable[[str], Awaitable[Sequence[Ranked]]]


@dataclass(frozen=True)
class Query:
    """A query, and which titles a person judged relevant to it."""

    query: str
    kind: str
    relevant: tuple[str, ...]

    def judges(self, title: str | None) -> bool:
        """Whether an item of this title is what was meant."""
        return title is not None and any(re.search(pattern, title.upper()) for pattern in self.relevant)


@dataclass(frozen=True)
class Outcome:
    """What one way of searching showed first for one query."""

    query: Query
    way: str
    titles: tuple[str, ...]

    @property
    def hit(self) -> bool:
        """Whether one of the first AT is relevant."""
        return any(self.query.judges(title) for title in self.titles)


def read_queries(path: Path = QUERIES) -> list[Query]:
    """The judged queries."""
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Query(row["query"], row["kind"], tuple(row["relevant"])) for row in rows]


async def measure(pool: asyncpg.Pool, params: Params, queries: Sequence[Query]) -> list[Outcome]:
    """Ask every query in every way of the catalogue that the database holds."""
    encoder = Encoder(params.embeddings.model)
    words_only = params.model_copy(
        update={"search": params.search.model_copy(update={"lexical": 1.0, "semantic": 0.0})}
    )
    words = await LivePlane.open(pool, words_only, encoder=encoder)
    both = await LivePlane.open(pool, params, encoder=encoder)
    try:
        ways: dict[str, Search] = {
            "lexical": lambda query: _searched(words, query),
            "semantic": lambda query: both.lists.semantic_search(query, AT, _PRODUCTS),
            "fused": lambda query: _searched(both, query),
        }
        return [
            Outcome(query, way, tuple(entry.item.title or "" for entry in await search(query.query)))
            for query in queries
            for way, search in ways.items()
        ]
    finally:
        await both.close()
        await words.close()


async def _searched(plane: LivePlane, query: str) -> Sequence[Ranked]:
    found = await plane.lists.search(query, AT, _PRODUCTS)
    return () if found.fallback_reason else found.results


def summary(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """hit@5 by way, over all queries and over those of each kind."""
    ways = dict.fromkeys(outcome.way for outcome in outcomes)
    kinds = ["all", *dict.fromkeys(outcome.query.kind for outcome in outcomes)]
    table: dict[str, dict[str, float]] = {}
    for way in ways:
        mine = [outcome for outcome in outcomes if outcome.way == way]
        table[way] = {kind: _share(mine, kind) for kind in kinds}
    return table


def _share(outcomes: Sequence[Outcome], kind: str) -> float:
    hits = [outcome.hit for outcome in outcomes if kind in ("all", outcome.query.kind)]
    return sum(hits) / len(hits)


def as_table(outcomes: Sequence[Outcome]) -> str:
    """hit@5 and the queries, in Markdown."""
    totals = summary(outcomes)
    kinds = list(next(iter(totals.values())))
    hits = [[way, *(f"{row[kind]:.3f}" for kind in kinds)] for way, row in totals.items()]
    queries = []
    for query in dict.fromkeys(outcome.query for outcome in outcomes):
        mine = {outcome.way: outcome for outcome in outcomes if outcome.query == query}
        marks = ["yes" if mine[way].hit else "no" for way in totals]
        first = next(iter(list(mine.values())[-1].titles), "")
        queries.append([query.query, *marks, first])
    by_query = table(["query", *totals, f"first by {list(totals)[-1]}"], queries)
    return f"{table([f'hit@{AT}', *kinds], hits)}\n{by_query}"


async def _measure(settings: Settings, params: Params, queries: Sequence[Query]) -> list[Outcome]:
    async with await create_pool(1, 4, settings) as pool:
        return await measure(pool, params, queries)


@contextmanager
def _loaded(params: Params) -> Iterator[str]:
    """A database of its own that holds the sample; gives its URL."""
    with temporary_database() as (url, conn):
        ingest_sample(conn, encoder=Encoder(params.embeddings.model))
        yield url


@click.command()
@click.option(
    "--json", "as_json", type=click.Path(dir_okay=False, path_type=Path), help="Write figures here."
)
@click.option(
    "--queries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=QUERIES,
    help="Judged queries; relevance_tuning.yaml beside these has those that weights are chosen on.",
)
@click.option(
    "--url", help="A database that has the sample already (SQLAlchemy); without it a temporary one."
)
def main(as_json: Path | None, queries: Path, url: str | None) -> None:
    """Load the sample into a temporary database and print hit@5 by words, by meaning and by both."""
    params = load_params(REPOSITORY / "params.yaml")
    asked = read_queries(queries)
    with nullcontext(url) if url else _loaded(params) as address:
        outcomes = asyncio.run(_measure(Settings(database_url=address), params, asked))
    click.echo(as_table(outcomes))
    if as_json is not None:
        as_json.write_text(json.dumps(summary(outcomes), indent=2) + "\n")
    totals = summary(outcomes)
    worse = totals["fused"]["all"] < max(totals["lexical"]["all"], totals["semantic"]["all"])
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
