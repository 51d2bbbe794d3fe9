"""From the temporary tables into the real ones, in one transaction.

The same file again, or one that overlaps, changes nothing: an interaction's key is the MD5 of its natural
key, and an item remembers for each family of files the hash of what it was last told, so only news is
written. Hence what was edited or deleted since by hand stays so until the source says something new; a
deleted item stays deleted even then. A field that the source leaves empty keeps its value.
"""

from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.items import CONTENT

_KEPT = [name for name in CONTENT if name not in {"kind", "tags"}]
_TAGS = "case when excluded.tags = '{}' then items.tags else excluded.tags end"
_KIND = "case when items.title is null then excluded.kind else items.kind end"
_MERGED = (
    {name: f"coalesce(excluded.{name}, items.{name})" for name in _KEPT} | {"tags": _TAGS} | {"kind": _KIND}
)
_CHANGED = (
    f"({', '.join(f'items.{name}' for name in _MERGED)}) is distinct from ({', '.join(_MERGED.values())})"
)

_DESCRIBED = """
drop table if exists pg_temp.changed_items;
create temporary table changed_items as
with merged as (
    select distinct on (s.item_id) s.item_id, s.kind, s.title, s.description, s.category, s.sub_category,
        coalesce(array_remove(t.tags, s.sub_category), '{}') as tags, s.image_url, s.link, s.rating,
        s.rating_count::integer as rating_count, s.price, s.original_price, s.discount_ratio, s.as_of,
        coalesce(s.attributes, '{}')::jsonb as attributes
    from staged_items s left join (
        select item_id, array_agg(distinct tag order by tag) as tags
        from staged_items, unnest(string_to_array(tags, E'\\x1f')) tag where tag <> '' group by item_id
    ) t using (item_id)
    order by s.item_id, s.line
)
select m.*, md5(m::text) as source_hash, i.item_id is null as is_new
from merged m left join items i using (item_id)
where i.item_id is null or (i.deleted_at is null
    and i.source_hashes ->> %(family)s is distinct from md5(m::text)
    and (m.as_of is null or i.attributes ->> 'as_of' is null
        or m.as_of >= (i.attributes ->> 'as_of')::timestamptz))
"""

_UPSERT = f"""
insert into items (item_id, {", ".join(CONTENT)}, attributes, source_hashes, change_seq)
select item_id, {", ".join(CONTENT)},
    attributes || case when as_of is null then '{{}}' else jsonb_build_object('as_of', as_of) end,
    jsonb_build_object(%(family)s::text, source_hash), %(seq)s
from changed_items
on conflict (item_id) do update set {", ".join(f"{name} = {value}" for name, value in _MERGED.items())},
    attributes = items.attributes || excluded.attributes,
    source_hashes = items.source_hashes || excluded.source_hashes,
    updated_at = case when {_CHANGED} then now() else items.updated_at end,
    change_seq = case when {_CHANGED} then excluded.change_seq else items.change_seq end
"""

_INTERACTIONS = """
insert into interactions
    (user_id, item_id, event_type, query, value, session_id, occurred_at, source, dedup_key)
select user_id, item_id, event_type, query, value, session_id, occurred_at, %(source)s, md5(natural_key)::uuid
from staged_interactions
on conflict (dedup_key, occurred_at) do nothing
"""

_USERS = """
insert into users (user_id) select distinct user_id from staged_interactions where user_id is not null
on conflict do nothing
"""

_BARE = """
insert into items (item_id, change_seq)
select distinct item_id, %(seq)s::bigint from staged_interactions where item_id is not null
on conflict do nothing
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
join (select distinct on (text_hash) * from staged_vectors) v using (text_hash)
on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
    text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()
where embeddings.text_hash <> excluded.text_hash or embeddings.model <> excluded.model
"""


@dataclass(frozen=True)
class Merged:
    """How many rows the merge wrote."""

    items_new: int
    items_changed: int
    items_bare: int
    users_new: int


def find_news(conn: Connection, family: str) -> None:
    """Make the temporary table `changed_items`: what the staged rows say of items that is news."""
    with conn.cursor() as cursor:
        cursor.execute(_DESCRIBED, {"family": family})


def texts_to_encode(conn: Connection, model: str, *, merged: bool) -> list[tuple[str, str]]:
    """(hash, text) of the changed items that lack a vector: as they will be, or, once merged, as they are."""
    with conn.cursor() as cursor:
        cursor.execute(_LEFT_TEXTS if merged else _FUTURE_TEXTS, {"model": model})
        return cursor.fetchall()


def merge_interactions(conn: Connection, source: str) -> int:
    """Insert the staged interactions that are new; returns how many."""
    with conn.cursor() as cursor:
        cursor.execute(_INTERACTIONS, {"source": source})
        return cursor.rowcount


def merge_catalogue(conn: Connection, family: str) -> Merged:
    """Write items and users under one number of the change feed, whose row stays locked until the commit.

    The number is used only when something changed.
    """
    with conn.cursor() as cursor:
        cursor.execute("select catalogue_seq + 1 from change_state for update")
        seq = cursor.fetchall()[0][0]
        find_news(conn, family)
        cursor.execute(_UPSERT, {"family": family, "seq": seq})
        cursor.execute(
            """select count(*) filter (where c.is_new), count(*) filter (where not c.is_new)
            from changed_items c join items i using (item_id) where i.change_seq = %s""",
            (seq,),
        )
        new, changed = cursor.fetchall()[0]
        cursor.execute(_BARE, {"seq": seq})
        bare = cursor.rowcount
        cursor.execute(_USERS)
        users = cursor.rowcount
        if new + changed + bare:
            cursor.execute("update change_state set catalogue_seq = %s", (seq,))
    return Merged(new, changed, bare, users)


def merge_vectors(conn: Connection, model: str) -> int:
    """Store the staged vectors of the changed items; returns how many."""
    with conn.cursor() as cursor:
        cursor.execute(_VECTORS, {"model": model})
        return cursor.rowcount
