"""The catalogue of any shop: tables of texts or Parquet with the columns below, or usual names for them.

`item_id` and `title` are needed; `kind` (product, which is the default, or content), `description`,
`category` (or a path such as "Home > Kitchen"), `categories`, `sub_category`, `tags` (separated by "|", or
by commas in a column without one), `image_url`, `link`, `rating` (0 to 5), `rating_count`, `price`,
`original_price` and `discount_ratio` (0 to 1) may be there, and `hidden` (or `published`, `status`,
`visibility`) and `available` (or `availability`, `in_stock`: see `flags`): an item that is hidden or can't
be had is in no list. `variant_of` (Google's `item_group_id`, WooCommerce's `Parent`, Shopify's `Handle`
where it is not the id) makes variants of items that have it in common; one without a title has that of the
first of them. Other columns are not read. A number that makes no sense is left empty and counted. A row
without a title whose item was there before adds a variant or a picture to it.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from database.ingest.chunk import (
    DEFAULT,
    ITEM_COLUMNS,
    TAG_SEPARATOR,
    Adapter,
    Chunk,
    Options,
    WrongFormatError,
    in_command,
)
from database.ingest.column_names import (
    OF_ITEMS,
    SALE_PRICES,
    USUAL,
    USUAL_PRICES,
    Naming,
    plain_name,
    resolve,
)
from database.ingest.conventions import Columns, Conventions, in_words, rescaled
from database.ingest.fields import (
    MOST_RATINGS,
    clean,
    discounts,
    flags,
    named,
    numbers,
    prices,
    unmarked,
    whole,
    within,
)
from database.ingest.named_columns import Lines, Plan, columns, missing, open_rows, refuse_unknown, refused
from database.items import CONTENT, VARIANT_OF

_NEEDED = ("item_id", "title")
_AVAILABLE = ("available", "availability", "in_stock")
"""Names of the one column; the first that says something counts."""
_HIDING = ("hidden", "published", "status", "visibility")
_READ = ("item_id", *CONTENT, "base_price", "categories", *_HIDING, *_AVAILABLE, "variant_of")
_UNPUBLISHED = ("draft", "archived", "inactive", "disabled", "private", "pending", "trash", "hidden")
_PUBLISHED = ("active", "publish", "published", "enabled", "visible")
_PRICE = re.compile(r"(?i)^(?!.*(?:range|currency)).*(?:price|preis|precio|prix|prijs|prezzo)")
_LIST = r"\{.*\}|\[.*\]"  # of PostgreSQL, of JSON
_LIST_MARKS = r"^[{\[]|[}\]]$|\""
_MORE_PICTURES = r"\s*[|,]\s*https?://.*$"
_OF_PARENT = ("title", "description", "category", "sub_category", "tags", "image_url", "link", *_HIDING)
"""What a shop says in the first row of a product for all of its variants."""
_OF_WOOCOMMERCE = {"parent", "sku", "regularprice"}
"""Columns of its products; a column `parent` of another catalogue may be that of a category."""
_LONGEST_ID = 64
_LONGEST_DESCRIPTION = 8000
_ABOUT = {"kind is not product or content": "kind"}
_STARS = (0.0, 5.0)
_TOLD = Columns(
    read=frozenset(_READ),
    texts=frozenset(_READ),
    ids=("item_id",),
    amounts=("price", "base_price", "original_price", "discount_ratio", "rating", "rating_count"),
    ratings="rating",
    stars=_STARS,
    lists=("tags", "categories"),
)


@dataclass
class _Known:
    """What the rows before say: whose title is known, of what parents, and ids by article number."""

    titled: set[str] = field(default_factory=set)
    parents: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    """What the first variant of a parent says in the columns of `_OF_PARENT`."""
    ids: dict[str, str] = field(default_factory=dict)


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the file has the needed columns, and is no log of interactions."""
    _plan(path, columns(path, options), options)


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of items; `weeks` is not used, a catalogue has no times."""
    known = _Known()
    rows = open_rows(path, options)
    plan = _plan(path, rows.names, options)

    def to_chunk(frame: pd.DataFrame, lines: Lines, progress: float, how: Conventions) -> Chunk:
        return _chunk(frame, lines, progress, how, known)

    yield from rows.chunks(plan, to_chunk)


def _plan(path: Path, names: list[str], options: Options) -> Plan:
    refuse_unknown(path, names, _READ, options)
    plain = {plain_name(name): name for name in names}
    stated = dict(options.columns)
    sale = next((plain[name] for name in SALE_PRICES if name in plain), None)
    base = next((plain[name] for name in USUAL_PRICES if name in plain), None)
    if sale is not None and base is not None and "price" not in stated:
        stated |= {"price": sale, "base_price": base}
    if plain.keys() >= _OF_WOOCOMMERCE and "variant_of" not in {*names, *stated}:
        stated |= {"variant_of": plain["parent"]}
    naming = resolve(names, _READ, stated, OF_ITEMS)
    if "type" in plain and not {"category", "categories"} & set(naming.ours):
        naming = resolve(names, _READ, stated | {"category": plain["type"]}, OF_ITEMS)
    lacking = [name for name in _NEEDED if name not in naming.ours]
    if lacking:
        raise missing(path, names, lacking, options, naming=naming, of=len(_NEEDED), kind="items")
    if ("item_id" not in names and any(name in plain for name in USUAL["user_id"])) or "user_id" in names:
        told = f"not items: it has a column of users; its columns are {', '.join(names[:12])}"
        raise WrongFormatError(
            f"{path}: {told}; try: python -m database.ingest interactions {in_command(path)}"
        )
    return Plan(naming, _TOLD, _unread_price(naming))


def _unread_price(naming: Naming) -> tuple[str, ...]:
    """What to say of a column that may hold the prices of a file whose column of prices is not known."""
    if {"price", "base_price"} & set(naming.ours):
        return ()
    found = next((name for name in naming.ours if name not in _READ and _PRICE.search(name)), None)
    if found is None:
        return ()
    instead = "; original_price is taken instead" if "original_price" in naming.ours else ""
    option = f"--map {shlex.quote(f'price={found}')}"
    return (f"{found} is not read{instead}: if it is the price, say {option}",)


def _chunk(frame: pd.DataFrame, lines: Lines, progress: float, how: Conventions, before: _Known) -> Chunk:
    nulled: Counter[str] = Counter()
    items = _items(frame, lines, nulled, how, before)
    known = items["title"].notna().groupby(items["item_id"], dropna=False).cummax()
    known |= items["item_id"].isin(before.titled)
    before.titled.update(items["item_id"][known & items["item_id"].notna()])
    reason = pd.Series(None, index=items.index, dtype="str")
    reason = reason.mask(~items["kind"].isin(("product", "content")), "kind is not product or content")
    reason = reason.mask(~known, "no title")
    reason = reason.mask(items["item_id"].str.len() > _LONGEST_ID, f"item_id is longer than {_LONGEST_ID}")
    reason = reason.mask(items["item_id"].isna(), "no item id")
    return Chunk(
        len(frame),
        progress,
        items=items[reason.isna()],
        rejected=refused(frame, lines, reason, _ABOUT),
        nulled=+nulled,
    )


def _parents(table: pd.DataFrame, frame: pd.DataFrame, before: _Known) -> pd.Series:
    """What each item is a variant of, by id where its article number was named.

    A row without a title is one more variant of a parent that stood above, and has what that says of all.
    """
    parent = table["variant_of"].str.replace(r"^id:\s*", "", regex=True)
    if parent.isna().all():
        return parent
    numbers = next((name for name in frame if plain_name(str(name)) == "sku"), None)
    if numbers is not None and numbers not in ("item_id", "variant_of"):
        pairs = zip(clean(frame[numbers]), table["item_id"], strict=True)
        before.ids.update((sku, item_id) for sku, item_id in pairs if pd.notna(sku) and pd.notna(item_id))
        parent = parent.map(lambda each: before.ids.get(each, each), na_action="ignore")
    untitled = table["title"].isna() & parent.notna()
    firsts = table[parent.notna() & ~untitled].assign(parent=parent).drop_duplicates("parent")
    for each, *said in firsts[["parent", *_OF_PARENT]].itertuples(index=False, name=None):
        before.parents.setdefault(each, tuple(said))
    told = parent[untitled].map(before.parents.get, na_action="ignore").dropna()
    for place, name in enumerate(_OF_PARENT):
        table[name] = table[name].fillna(told.map(lambda said, place=place: said[place]).astype("str"))
    return parent


def _items(
    frame: pd.DataFrame, lines: Lines, nulled: Counter[str], how: Conventions, before: _Known
) -> pd.DataFrame:
    empty = pd.Series(None, index=frame.index, dtype="str")
    table = pd.DataFrame(
        {
            name: named(frame[name], name, nulled, keep_null_words=how.keep_null_words)
            if name in frame and name not in _TOLD.amounts
            else frame.get(name, empty)
            for name in _READ
        }
    )
    available = empty
    for name in _AVAILABLE:
        available = available.fillna(flags(table[name], name, nulled))
    if "item_id" in how.whole:
        table["item_id"] = whole(table["item_id"])
    for name in ("title", "category", "sub_category", "tags", "description"):
        table[name] = unmarked(table[name])
    _split_paths(table, how)
    parent = _parents(table, frame, before)

    def number(name: str) -> pd.Series:
        return numbers(table[name], name, nulled, comma=name in how.comma)

    listed, base, price = (
        prices(table[name], name, nulled, comma=name in how.comma)
        for name in ("original_price", "base_price", "price")
    )
    listed = listed.fillna(base)  # what the item costs when there is no sale
    price = price.fillna(base).fillna(listed)
    stated = number("rating")
    rating = rescaled(stated, how.scale, _STARS)
    nulled[in_words(how.scale)] += int((stated.notna() & rating.isna()).sum())
    count = within(number("rating_count"), 0, MOST_RATINGS, "rating_count", nulled)
    return table.assign(
        line=lines,
        kind=table["kind"].str.lower().fillna("product"),
        description=table["description"].str.slice(0, _LONGEST_DESCRIPTION),
        rating=rating,
        rating_count=count.round().astype("Int64"),
        price=price,
        original_price=listed,
        discount_ratio=discounts(number("discount_ratio"), price, listed, nulled),
        hidden=_hidden(table, nulled),
        image_url=table["image_url"].str.replace(_MORE_PICTURES, "", regex=True),
        available=available,
        as_of=None,
        attributes=pd.Series(
            [None if pd.isna(each) else json.dumps({VARIANT_OF: each}) for each in parent],
            index=frame.index,
            dtype="str",
        ),
    )[list(ITEM_COLUMNS)]


def _hidden(table: pd.DataFrame, nulled: Counter[str]) -> pd.Series:
    """Whether an item is hidden, "true" or "false": by any column that says so."""
    words = {"true": "false", "false": "true"}
    number = pd.to_numeric(table["published"], errors="coerce").astype("float64")
    published = flags(table["published"].mask(number < 0, "no"), "published", nulled).map(words)
    found = flags(table["hidden"], "hidden", nulled)
    for said in (published, *(_by_word(table[name]) for name in ("status", "visibility"))):
        found = found.mask(said == "true", "true").fillna(said)
    return found


def _by_word(column: pd.Series) -> pd.Series:
    text = column.str.lower()
    found = pd.Series(None, index=column.index, dtype="str")
    return found.mask(text.isin(_UNPUBLISHED), "true").mask(text.isin(_PUBLISHED), "false")


def _split_paths(table: pd.DataFrame, how: Conventions) -> None:
    """Fields of several values: the first steps of a path are category and sub-category, all are tags."""

    def split(name: str, mark: str) -> pd.Series:
        lists = table[name].str.fullmatch(_LIST).fillna(False).astype(bool)
        plain = table[name].mask(lists, table[name].str.replace(_LIST_MARKS, "", regex=True))
        return plain.str.replace(rf"\s*{mark}\s*", TAG_SEPARATOR, regex=True)

    tags, several = (split(name, "[|]" if name in how.barred else ",") for name in ("tags", "categories"))
    path = split("category", " > ").fillna(several.str.replace(" > ", TAG_SEPARATOR, regex=False))
    steps = path.str.extract(rf"^([^{TAG_SEPARATOR}]*)(?:{TAG_SEPARATOR}([^{TAG_SEPARATOR}]*))?")
    table["category"] = clean(steps[0])
    table["sub_category"] = table["sub_category"].fillna(clean(steps[1]))
    table["tags"] = tags.fillna(path.where(steps[1].notna()))


ADAPTER = Adapter("items", "items", "items", check, read)
