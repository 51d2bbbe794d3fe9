"""Staged items into the real tables, some at a time.

Every writer of items waits for the row of the change feed's number, so it is taken for a thousand items only,
and given back by a commit before the next thousand. An ingestion that is killed half-way is completed by
the next one of the same file.

The same file again, or one that overlaps, changes nothing: an item remembers for each family of files the
hash of what it was last told, so only news is written. Hence what was edited or deleted since by hand stays
so until the source says something new; a deleted item stays deleted even then. A field that the source leaves
empty keeps its value, but a price comes with its original price and discount, or ends them.
"""

from dataclasses import astuple, dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.items import CONTENT, PRICES

BATCH = 1000
"""Items that are written in one transaction."""

_TOLD = (*CONTENT, "hidden", "available")
"""The columns of an item that files tell of."""
_KEPT = [name for name in _TOLD if name not in {"kind", "tags", *PRICES}]
_TAGS = "case when excluded.tags = '{}' then items.tags else excluded.tags end"
_KIND = "case when items.title is null then excluded.kind else items.kind end"
_MERGED = (
    {name: f"coalesce(excluded.{name}, items.{name})" for name in _KEPT}
    | {
        name: f"case when excluded.price is null then items.{name} else excluded.{name} end"
        for name in PRICES
    }
    | {"tags": _TAGS}
    | {"kind": _KIND}
)
_CHANGED = (
    f"({', '.join(f'items.{name}' for name in _MERGED)}) is distinct from ({', '.join(_MERGED.values())})"
)

_GATHER = """
drop table if exists pg_temp.merged_items;
create temporary table merged_items as
    select distinct on (s.item_id) s.item_id, s.kind, s.title, s.description, s.category, s.sub_category,
        coalesce(array_remove(t.tags, s.sub_category), '{}') as tags, s.image_url, s.link, s.rating,
        s.rating_count::integer as rating_count, s.price, s.original_price, s.discount_ratio, s.as_of,
        coalesce(s.attributes, '{}')::jsonb as attributes, s.hidden, s.available
    from staged_items s left join (
        select item_id, array_agg(distinct tag order by tag) as tags
        from staged_items, unnest(string_to_array(tags, E'\\x1f')) tag where tag <> '' group by item_id
    ) t using (item_id)
    order by s.item_id, s.line;
create index on merged_items (item_id);
analyze merged_items;
"""

_OTHER_KINDS = """
with known as (
    select distinct on (s.item_id) s.item_id, coalesce(i.kind, s.kind) as kind
    from staged_items s left join items i
        on i.item_id = s.item_id and i.title is not null and i.deleted_at is null
    order by s.item_id, s.line
), refused as (
    delete from staged_items s using known k where k.item_id = s.item_id and s.kind <> k.kind
    returning s.line, format('kind is %s, but this item is of kind %s', s.kind, k.kind) as reason,
        concat_ws(',', s.item_id, s.kind, s.title) as raw
), stored as (
    insert into staged_rejected select * from refused
)
select reason, count(*) from refused group by reason
"""

_BATCHES = """
drop table if exists pg_temp.item_batches;
create temporary table item_batches as
    select item_id, (row_number() over (order by item_id) - 1) / %(size)s as batch from (
        select item_id from changed_items
        union select s.item_id from (
            select distinct item_id from staged_item_ids) s
            left join items i using (item_id) where i.item_id is null
    ) news;
create index on item_batches (batch);
analyze item_batches;
"""

# A row that says nothing of the columns that came later has the hash that it had before them: it is no news.
_HASH = """md5(row(m.item_id, m.kind, m.title, m.description, m.category, m.sub_category, m.tags,
    m.image_url, m.link, m.rating, m.rating_count, m.price, m.original_price, m.discount_ratio, m.as_of,
    m.attributes)::text
    || case when m.hidden is null and m.available is null then ''
        else row(m.hidden, m.available)::text end)"""

_DESCRIBED = f"""
drop table if exists pg_temp.changed_items;
create temporary table changed_items as
select m.*, {_HASH} as source_hash, i.item_id is null as is_new
from merged_items m {{of_batch}} left join items i on i.item_id = m.item_id
where i.item_id is null or (i.deleted_at is null
    and i.source_hashes ->> %(family)s is distinct from {_HASH}
    and (m.as_of is null or i.attributes ->> 'as_of' is null
        or m.as_of >= (i.attributes ->> 'as_of')::timestamptz))
"""
_OF_BATCH = "join item_batches b on b.item_id = m.item_id and b.batch = %(batch)s"

_UPSERT = f"""
insert into items (item_id, {", ".join(_TOLD)}, attributes, source_hashes, change_seq)
select item_id, {", ".join(_TOLD)},
    attributes || case when as_of is null then '{{}}' else jsonb_build_object('as_of', as_of) end,
    jsonb_build_object(%(family)s::text, source_hash), %(seq)s
from changed_items
on conflict (item_id) do update set {", ".join(f"{name} = {value}" for name, value in _MERGED.items())},
    attributes = items.attributes || excluded.attributes,
    source_hashes = items.source_hashes || excluded.source_hashes,
    updated_at = case when {_CHANGED} then now() else items.updated_at end,
    change_seq = case when {_CHANGED} then excluded.change_seq else items.change_seq end
"""

# By the conflict, and no join: the planner would read all items for each batch, as few as they are at first.
_BARE = """
insert into items (item_id, change_seq) select item_id, %(seq)s from item_batches where batch = %(batch)s
order by item_id on conflict (item_id) do nothing
"""

_TEXT = "embedding_text({0}.title, {0}.category, {0}.sub_category, {0}.tags, {0}.description)".format

_FUTURE_TEXTS = """
select distinct md5(text), text from (
    select c.item_id, embedding_text(coalesce(c.title, i.title), coalesce(c.category, i.category),
        coalesce(c.sub_category, i.sub_category),
        case when c.tags = '{}' then coalesce(i.tags, '{}') else c.tags end,
        coalesce(c.description, i.description)) as text,
        coalesce(c.title, i.title) as title
    from changed_items c left join items i using (item_id)
) future left join embeddings e
    on e.item_id = future.item_id and e.text_hash = md5(text) and e.model = %(model)s
where e.item_id is null and title is not null
"""

_LEFT_TEXTS = f"""
select distinct i.text_hash, {_TEXT("i")} from changed_items c join items i using (item_id)
left join embeddings e on e.item_id = i.item_id and e.text_hash = i.text_hash and e.model = %(model)s
where e.item_id is null and i.text_hash is not null
"""

_VECTORS = """
insert into embeddings (item_id, model, dimension, text_hash, vector)
select i.item_id, %(model)s, octet_length(v.vector) / 4, v.text_hash, v.vector
from changed_items c join items i using (item_id)
cross join lateral (
    select text_hash, vector from staged_vectors s where s.text_hash = i.text_hash limit 1) v
on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
    text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()
where embeddings.text_hash <> excluded.text_hash or embeddings.model <> excluded.model
"""


@dataclass(frozen=True)
class Merged:
    """How many rows the merge wrote."""

    items_new: int = 0
    items_changed: int = 0
    items_bare: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def refuse_other_kinds(conn: Connection) -> dict[str, int]:
    """Refuse staged items that are of another kind in the catalogue, or in an earlier row: an item keeps its
    kind until it is deleted and made anew. Returns how many were refused, by reason."""
    with conn.cursor() as cursor:
        cursor.execute(_OTHER_KINDS)
        return dict(cursor.fetchall())


def gather(conn: Connection, family: str) -> int:
    """Bring together what the staged rows say of each item, and put what is news in batches; how many.

    `changed_items` then holds the news of all items.
    """
    with conn.cursor() as cursor:
        cursor.execute(_GATHER)
        find_news(conn, family)
        cursor.execute(_BATCHES, {"size": BATCH})
        cursor.execute("select coalesce(max(batch) + 1, 0) from item_batches")
        return int(cursor.fetchall()[0][0])


def find_news(conn: Connection, family: str, batch: int | None = None) -> None:
    """Make the temporary table `changed_items`: what is news of the items of a batch, or of all."""
    with conn.cursor() as cursor:
        of_batch = "" if batch is None else _OF_BATCH
        cursor.execute(_DESCRIBED.format(of_batch=of_batch), {"family": family, "batch": batch})


def texts_to_encode(conn: Connection, model: str, *, merged: bool) -> list[tuple[str, str]]:
    """(hash, text) of the changed items that lack a vector: as they will be, or, once merged, as they are."""
    with conn.cursor() as cursor:
        cursor.execute(_LEFT_TEXTS if merged else _FUTURE_TEXTS, {"model": model})
        return cursor.fetchall()


def merge_catalogue(conn: Connection, family: str, batch: int) -> Merged:
    """Write the items of a batch under one number of the change feed, whose row is locked until the commit.

    What is news is found again then, as nobody else writes: it may have changed since it was gathered.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "select catalogue_seq + 1, exists (select from merged_items) from change_state for update"
        )
        seq, described = cursor.fetchall()[0]
        new, changed = _write_described(conn, family, batch, seq) if described else (0, 0)
        cursor.execute(_BARE, {"seq": seq, "batch": batch})
        bare = cursor.rowcount
        if new + changed + bare:
            cursor.execute("update change_state set catalogue_seq = %s", (seq,))
    return Merged(new, changed, bare)


def _write_described(conn: Connection, family: str, batch: int, seq: int) -> tuple[int, int]:
    """Write those of a batch of which the file tells more than ids; how many are new, and changed."""
    find_news(conn, family, batch)
    with conn.cursor() as cursor:
        cursor.execute(_UPSERT, {"family": family, "seq": seq})
        cursor.execute(
            """select count(*) filter (where c.is_new), count(*) filter (where not c.is_new)
            from changed_items c join items i using (item_id) where i.change_seq = %s""",
            (seq,),
        )
        new, changed = cursor.fetchall()[0]
    return int(new), int(changed)


def merge_vectors(conn: Connection, model: str) -> int:
    """Store the staged vectors of the changed items; returns how many."""
    with conn.cursor() as cursor:
        cursor.execute(_VECTORS, {"model": model})
        return cursor.rowcount
