"""Which of a file's columns is which of ours: by its own name, by a usual one, or as the options say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from database.ingest.objects import OUTER

_SUFFIX = re.compile(r":(?:token|float|token_seq|float_seq)$")  # RecBole's types
_PREFIX = re.compile(r"^(?:g:|\{[^}]*\})")  # of an XML namespace
_NO_LETTER = re.compile(r"[^\w]|_", re.UNICODE)
_NEAR = 75  # of 100
_LEAST_END = 4  # letters of a name's end that tell
_INNER = {"id", "email", "sku"}
_ABOUT_ITEM = {"product", "item", "article"}

SALE_PRICES = ("saleprice", "discountprice", "specialprice", "currentprice", "finalprice")
"""What an item costs now, beside a column "price"."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        *("userid", "user", "uid", "customerid", "customer", "visitorid", "visitor", "memberid", "clientid"),
        *("accountid", "shopperid", "buyerid", "reviewerid", "userpseudoid", "username", "customeremail"),
        *("email", "customeruser", "householdid", "householdkey"),
    ),
    "device_id": ("deviceid", "userpseudoid", "anonymousid", "cookieid"),
    "item_id": (
        *(
            "itemid",
            "productid",
            "articleid",
            "movieid",
            "bookid",
            "trackid",
            "songid",
            "animeid",
            "artistid",
        ),
        *(
            "gameid",
            "newsid",
            "contentid",
            "businessid",
            "goodsid",
            "aid",
            "sku",
            "variantsku",
            "lineitemsku",
        ),
        *("stockcode", "asin", "parentasin", "isbn", "item", "product", "article"),
    ),
    "event_type": (
        *("eventtype", "event", "eventname", "action", "actiontype", "behavior", "behaviour"),
        *("behaviortype", "interaction", "interactiontype", "type"),
    ),
    "timestamp": (
        *("timestamp", "eventtime", "eventtimestamp", "datetime", "time", "date", "createdat", "created"),
        *("ts", "unixtime", "unixreviewtime", "occurredat", "orderdate", "invoicedate", "purchasedate"),
        *("tdat", "eventdate", "orderedat", "paidat"),
    ),
    "value": ("value", "eventvalue"),
    "quantity": ("quantity", "qty", "lineitemquantity", "amountbought", "units"),
    "stars": ("rating", "ratings", "stars", "bookrating", "userrating", "overall", "reviewrating"),
    "query": (
        *(
            "query",
            "searchquery",
            "searchterm",
            "search",
            "keyword",
            "keywords",
            "q",
            "eventparamssearchterm",
        ),
    ),
    "session_id": (
        *("sessionid", "session", "usersession", "visitid", "gasessionid", "eventparamsgasessionid"),
        *("basketid", "cartid", "orderid", "transactionid", "invoiceno", "invoice", "ordernumber"),
    ),
    "title": (
        *("title", "name", "productname", "itemname", "prodname", "producttitle", "itemtitle", "movietitle"),
        *("booktitle", "articlename"),
    ),
    "kind": ("kind",),
    "variant_of": ("variantof", "itemgroupid", "handle"),
    "description": (
        *("description", "productdescription", "detaildesc", "desc", "bodyhtml", "body", "longdescription"),
        *("shortdescription", "abstract", "summary", "text"),
    ),
    "category": (
        *("category", "maincategory", "producttype", "productcategory", "genre", "productgroupname"),
        *("categoryname", "googleproductcategory", "categorycode", "department"),
    ),
    "categories": ("categories", "genres", "categorypath", "breadcrumbs"),
    "sub_category": ("subcategory", "subcategories"),
    "tags": ("tags", "keywords", "labels"),
    "image_url": (
        *("imageurl", "image", "imagelink", "imagesrc", "images", "img", "imgurl", "picture", "poster"),
    ),
    "link": ("link", "url", "producturl", "productlink", "permalink", "href", "externalurl"),
    "rating": ("rating", "averagerating", "avgrating", "ratingvalue", "stars"),
    "rating_count": ("ratingcount", "ratingscount", "numratings", "noofratings", "reviewcount", "numreviews"),
    "price": ("price", "variantprice", "unitprice", "searchprice", *SALE_PRICES),
    "original_price": (
        *("originalprice", "regularprice", "listprice", "compareatprice", "variantcompareatprice"),
        *("actualprice", "oldprice", "msrp", "rrp", "rrpprice"),
    ),
    "discount_ratio": ("discountratio",),
    "hidden": ("hidden",),
    "published": ("published", "ispublished"),
    "status": ("status", "productstatus"),
    "visibility": ("visibility", "visibilityincatalog"),
    "available": ("available", "availability", "stockstatus", "isinstock"),
    "in_stock": ("instock",),
}
"""Names that columns usually have, for each of ours, without case, spaces and marks; the best first."""

_GERMAN: Mapping[str, tuple[str, ...]] = {
    "user_id": ("kundennr", "kundennummer", "kundenid", "kunde", "nutzer", "benutzer"),
    "item_id": ("artikelnr", "artikelnummer", "artikelid", "artikel", "produktnr", "produktid"),
    "timestamp": ("datum", "bestelldatum", "kaufdatum", "rechnungsdatum", "zeit", "zeitpunkt"),
    "title": ("bezeichnung", "artikelbezeichnung", "artikelname", "produktname", "titel"),
    "event_type": ("aktion", "ereignis", "ereignistyp", "vorgang"),
}
"""Names that are proposed for the columns that a file needs, and not read unasked."""

_OWN_IDS = USUAL["item_id"]
_FIRM = _OWN_IDS.index("sku")
OF_ITEMS = {**USUAL, "item_id": ("handle", *_OWN_IDS[:_FIRM], "id", "gid", *_OWN_IDS[_FIRM:])}
"""In a catalogue, a plain id is the item's; in a log it would be the row's."""
_AROUND = {"user_id", "device_id", "session_id", "timestamp", "event_type", "query"}
"""What an object may say for the rows in it, where these don't say it."""


@dataclass(frozen=True)
class Naming:
    """`ours` are our names of the file's columns, in its order; a column that is not read keeps its own.

    `notes` say which columns were taken for which, where their names differ.
    """

    ours: list[str]
    notes: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    """A column's name without case, marks, namespace and type; that of an inner object's field has its point.

    >>> plain_name("User-ID"), plain_name("item_id:token"), plain_name("g:image_link")
    ('userid', 'itemid', 'imagelink')
    >>> plain_name("customer.id"), plain_name("product.name"), plain_name("user.name")
    ('customerid', 'productname', 'user.name')
    """
    bare = _SUFFIX.sub("", _PREFIX.sub("", name.strip())).casefold()
    parts = [_NO_LETTER.sub("", part) for part in bare.split(".")]
    whole = len(parts) < 2 or parts[-1] in _INNER or parts[0] in _ABOUT_ITEM or parts[0] == "eventparams"
    return ("" if whole else ".").join(parts)


def resolve(
    names: Sequence[str],
    wanted: Sequence[str],
    stated: Mapping[str, str],
    usual: Mapping[str, tuple[str, ...]] = USUAL,
) -> Naming:
    """Find our columns among a file's.

    A column has one meaning: the stated one; else that of its very name; else the first of ours, in the
    order of `wanted`, that is usually called so. Where several columns could be one of ours, the one whose
    name stands first in `usual` is, and the others are not read. A field of the object around a row is taken
    where the row has none, and only for who, when and what kind of event.

    Args:
        names: of the file's columns.
        wanted: ours.
        stated: ours to the file's, where an option says so.
        usual: as `USUAL`.
    """
    found: dict[str, int] = {}
    for our, theirs in stated.items():
        if our in wanted and theirs in names:
            found[our] = names.index(theirs)
    inside = [None if name.startswith(OUTER) else name for name in names]
    plain = [name and plain_name(name) for name in inside]
    around = [plain_name(name.removeprefix(OUTER)) if name.startswith(OUTER) else None for name in names]
    for our in wanted:
        taken = set(found.values())
        free = [place for place in range(len(names)) if place not in taken and names[place] not in wanted]
        if our in found:
            continue
        if our in names and names.index(our) not in taken:
            found[our] = names.index(our)
            continue
        ranked = (plain_name(our), *usual.get(our, ()))
        place = next((place for name in ranked for place in free if plain[place] == name), None)
        if place is None and our in _AROUND:
            place = next((place for name in ranked for place in free if around[place] == name), None)
        if place is not None:
            found[our] = place
    ours = [f"{name} (not read)" if name in wanted else name for name in names]
    for our, place in found.items():
        ours[place] = our
    notes = [f"{our} is read from {names[place]}" for our, place in found.items() if names[place] != our]
    return Naming(ours, tuple(notes))


def named_in_german(our: str, names: Sequence[str]) -> str | None:
    """The file's column of a German name of ours; None without one."""
    return next((name for name in names if plain_name(name) in _GERMAN.get(our, ())), None)


def nearest(our: str, names: Sequence[str]) -> str | None:
    """The file's column whose name is most like one that ours usually has, in English or German, or else ends
    with one; None where none does.

    >>> nearest("timestamp", ["household", "transaction_timestamp"])
    'transaction_timestamp'
    """
    usual = (*USUAL[our], *_GERMAN.get(our, ()))
    best: tuple[float, str] | None = None
    for name in names:
        match = process.extractOne(plain_name(name), usual, scorer=fuzz.ratio, score_cutoff=_NEAR)
        if match is not None and (best is None or match[1] > best[0]):
            best = match[1], name
    if best is None:
        ends = [(len(end), name) for name in names for end in usual if _ends(plain_name(name), end)]
        best = max(ends, key=lambda pair: pair[0], default=None)
    return None if best is None else best[1]


def _ends(name: str, end: str) -> bool:
    return len(end) >= _LEAST_END and name.endswith(end)
