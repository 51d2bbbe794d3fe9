"""Management of articles: `python -m serving.articles populate` and `python -m serving.articles index`."""

import asyncio
from dataclasses import dataclass

import asyncpg
import click
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import connect, create_pool
from database.embeddings import index_items
from database.items import Embedding, ItemContent, delete_kind, embedding_text, insert_item, text_hash
from serving.sample_articles import SAMPLES, Sample
from training.models.core.encoder import TextEncoder
from training.params.encoder import default_encoder

BATCH = 256
"""Items indexed in one transaction."""


@dataclass(frozen=True, slots=True)
class Populated:
    """How many articles went, and how many came."""

    deleted: int
    created: int


async def populate(conn: asyncpg.Connection, encoder: TextEncoder) -> Populated:
    """Replace every article by the samples, with their vectors, in one transaction."""
    contents = [_content(sample) for sample in SAMPLES]
    texts = [
        embedding_text(one.title, one.category, one.sub_category, one.tags, one.description)
        for one in contents
    ]
    vectors = await asyncio.to_thread(encoder.encode, texts)
    async with conn.transaction():
        deleted = await delete_kind(conn, "article")
        for content, text, vector in zip(contents, texts, vectors, strict=True):
            await insert_item(conn, None, content, Embedding(encoder.name, text_hash(text), vector))
    return Populated(deleted, len(contents))


def index(conn: Connection, encoder: TextEncoder, batch: int = BATCH) -> int:
    """Make the vectors that are missing or of an older text, of items of every kind; returns how many.

    Commits batch by batch: what is done stays done when it is stopped.
    """
    return index_items(conn, encoder.name, encoder.encode, batch)


def _content(sample: Sample) -> ItemContent:
    return ItemContent(
        kind="article", title=sample.title, description=sample.content, category=sample.category
    )


@click.group()
def cli() -> None:
    """Sample articles, and vectors for items that have none."""


@cli.command("populate")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
def populate_command(yes: bool) -> None:
    """Delete every article and create the 12 sample articles."""
    if not yes:
        click.confirm(f"Delete every article and create {len(SAMPLES)} samples?", abort=True)
    done = asyncio.run(_populate())
    click.echo(f"{done.deleted} articles deleted, {done.created} created")


@cli.command("index")
def index_command() -> None:
    """Find items without a vector, or with a stale one, and index them."""
    encoder = default_encoder()
    with connect() as conn:
        click.echo(f"{index(conn, encoder)} items indexed")


async def _populate() -> Populated:
    encoder = default_encoder()
    async with await create_pool(1, 1) as pool, pool.acquire() as conn:
        return await populate(conn, encoder)


if __name__ == "__main__":
    cli()
