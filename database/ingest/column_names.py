"""Which of a file's columns is which of ours: by its own name, by a usual one, or as the options say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from database.ingest.objects import OUTER

_SUFFIX = re.compile(r":(?:token|float|token_seq|float_seq)$")  # RecBole's types
_PREFIX = re.compile(r"^(?:g:|\{[^}]*\})")  # of an XML namespace
_NO_LETTER = re.compile(r"[^\w]|_", re.UNICODE)
_WORD = re.compile(r"[^\W\d_][^\W\d_A-Z]*|[A-Z]+(?![a-z])|\d+")
_REMARK = re.compile(r"\([^)]*\)|\[[^\]]*\]|\$")
_SHORTENED = re.compile(r"\.(?!\w)")  # as in "Art.-Nr."
_TYPING_ERROR = 88  # of 100: as alike as names are that differ by one
_LEAST_END = 4  # letters of a name's end that tell
_INNER = {"id", "email", "sku", "nr"}
_ABOUT_ITEM = {"product", "item", "article"}

SALE_PRICES = (
    *("saleprice", "discountprice", "specialprice", "currentprice", "finalprice"),
    *("aktionspreis", "angebotspreis", "sonderpreis"),
)
"""What an item costs now, beside one of USUAL_PRICES."""
USUAL_PRICES = ("price", "preis", "verkaufspreis", "vkpreis", "precio", "prix", "prijs", "prezzo")

USUAL: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        *(
            "userid",
            "user",
            "uid",
            "userinfo.userid",
            "customerid",
            "customer",
            "visitorid",
            "visitor",
            "memberid",
            "clientid",
        ),
        *("accountid", "shopperid", "buyerid", "reviewerid", "userpseudoid", "username", "customeremail"),
        *(
            "email",
            "customeruser",
            "householdid",
            "householdkey",
            "authenticatedusertoken",
        ),
        *(
            "usertoken",
            "customernumber",
            "customerno",
            "custid",
            "kundennr",
            "kundennummer",
            "kundenid",
            "kdnr",
        ),
    ),
    "device_id": ("deviceid", "userpseudoid", "anonymousid", "cookieid", "visitorid", "usertoken"),
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
        *("stockcode", "asin", "parentasin", "isbn", "objectid", "itemnumber", "itemno", "articlenumber"),
        *("articleno", "productnumber", "productno", "artikelnr", "artikelnummer", "artikelid", "artnr"),
        *("produktnr", "produktnummer", "produktid", "item", "product", "article"),
    ),
    "event_type": (
        *("eventtype", "event", "eventname", "action", "actiontype", "behavior", "behaviour"),
        *("behaviortype", "interaction", "interactiontype", "type"),
    ),
    "event_subtype": ("eventsubtype",),
    "timestamp": (
        *("timestamp", "eventtime", "eventtimestamp", "datetime", "time", "date", "createdat", "created"),
        *("ts", "unixtime", "unixreviewtime", "occurredat", "orderdate", "invoicedate", "purchasedate"),
        *("tdat", "eventdate", "orderedat", "paidat", "bestelldatum", "kaufdatum", "rechnungsdatum"),
        *("auftragsdatum", "zeitstempel"),
    ),
    "value": ("value", "eventvalue"),
    "quantity": (
        "quantity",
        "qty",
        "lineitemquantity",
        "amountbought",
        "units",
        "menge",
        "anzahl",
        "stückzahl",
        "cantidad",
        "quantité",
        "quantità",
        "aantal",
    ),
    "stars": (
        *("rating", "ratings", "stars", "bookrating", "userrating", "overall", "reviewrating", "bewertung"),
        "sterne",
    ),
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
        "suchbegriff",
    ),
    "session_id": (
        *("sessionid", "session", "usersession", "visitid", "gasessionid", "eventparamsgasessionid"),
        *("basketid", "cartid", "orderid", "transactionid", "invoiceno", "invoice", "ordernumber"),
        *("orderno", "bestellnr", "bestellnummer", "auftragsnr", "auftragsnummer", "rechnungsnr"),
        *("rechnungsnummer", "belegnr", "belegnummer"),
    ),
    "title": (
        *("title", "name", "productname", "itemname", "prodname", "producttitle", "itemtitle", "movietitle"),
        *("booktitle", "articlename", "bezeichnung", "artikelbezeichnung", "artikelname", "produktname"),
        *("produktbezeichnung", "titel"),
    ),
    "kind": ("kind",),
    "variant_of": ("variantof", "itemgroupid", "handle"),
    "description": (
        *("description", "productdescription", "detaildesc", "desc", "bodyhtml", "body", "longdescription"),
        *("shortdescription", "abstract", "summary", "text", "beschreibung", "artikelbeschreibung"),
        *("produktbeschreibung", "langtext"),
    ),
    "category": (
        *("category", "maincategory", "producttype", "productcategory", "genre", "productgroupname"),
        *("categoryname", "googleproductcategory", "categorycode", "department"),
        *("kategorie", "warengruppe", "produktkategorie", "artikelgruppe", "categoría", "catégorie"),
        "categorie",
    ),
    "categories": ("categories", "genres", "categorypath", "breadcrumbs"),
    "sub_category": ("subcategory", "subcategories"),
    "tags": ("tags", "keywords", "labels", "schlagwörter", "schlagworte"),
    "image_url": (
        *("imageurl", "image", "imagelink", "imagesrc", "images", "img", "imgurl", "picture", "poster"),
        *("bild", "bildurl", "bildlink"),
    ),
    "link": ("link", "url", "producturl", "productlink", "permalink", "href", "externalurl", "produkturl"),
    "rating": ("rating", "averagerating", "avgrating", "ratingvalue", "stars"),
    "rating_count": ("ratingcount", "ratingscount", "numratings", "noofratings", "reviewcount", "numreviews"),
    "price": (
        *("price", "variantprice", "unitprice", "searchprice", *SALE_PRICES, "preis", "einzelpreis"),
        *("verkaufspreis", "bruttopreis", "vkpreis", "vkbrutto", "ladenpreis", "endpreis", "precio", "prix"),
        *("prixttc", "prijs", "prezzo"),
    ),
    "original_price": (
        *("originalprice", "regularprice", "listprice", "compareatprice", "variantcompareatprice"),
        *("actualprice", "oldprice", "msrp", "rrp", "rrpprice", "uvp", "listenpreis", "streichpreis"),
        "alterpreis",
    ),
    "discount_ratio": ("discountratio",),
    "hidden": ("hidden",),
    "published": ("published", "ispublished"),
    "status": ("status", "productstatus"),
    "visibility": ("visibility", "visibilityincatalog"),
    "available": ("available", "availability", "stockstatus", "isinstock", "verfügbar", "verfügbarkeit"),
    "in_stock": ("instock",),
}
"""Names that columns usually have, for each of ours, without case, spaces and marks; the best first."""

_TRANSLATED: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        *("kunde", "nutzer", "benutzer", "cliente", "usuario", "client", "utilisateur", "klant", "klantnr"),
        *("klantnummer", "gebruiker"),
    ),
    "item_id": (
        *("artikel", "produkt", "producto", "artículo", "referencia", "produit", "référence", "articolo"),
        "prodotto",
    ),
    "timestamp": (
        *("datum", "zeit", "zeitpunkt", "fecha", "fechapedido", "fechacompra", "datecommande", "data"),
        *("datedecommande", "besteldatum"),
    ),
    "title": (
        *("artikel", "produkt", "nombre", "título", "producto", "titre", "désignation", "libellé", "produit"),
        *("naam", "productnaam", "nome", "titolo"),
    ),
    "event_type": ("aktion", "ereignis", "ereignistyp", "vorgang"),
}
"""Names in German, Spanish, French, Dutch or Italian that are proposed for the columns that a file needs, and
not read unasked: they may be others."""

_NUMBERING = {"nr", "no", "num", "number", "nummer", "code", "key", "id", "ref", "hash", "uuid"}
_OTHERWISE = {
    *(
        "is",
        "has",
        "new",
        "number",
        "num",
        "count",
        "total",
        "super",
        "admin",
        "birth",
        "delivery",
        "shipping",
    ),
    *("shipped", "expiry", "expiration", "due", "updated", "modified", "valid", "end", "parent", "seller"),
    *("vendor", "staff"),
}
"""Words before an end that make it something else: the end "date" of birth_date, "user" of is_user."""

_OWN_IDS = USUAL["item_id"]
_FIRM = _OWN_IDS.index("sku")
OF_ITEMS = {**USUAL, "item_id": ("handle", *_OWN_IDS[:_FIRM], "id", "gid", *_OWN_IDS[_FIRM:])}
"""In a catalogue, a plain id is the item's; in a log it would be the row's."""
_AROUND = {"user_id", "device_id", "session_id", "timestamp", "event_type", "event_subtype", "query"}
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
    >>> plain_name("Art.-Nr."), plain_name("Kd.Nr")
    ('artnr', 'kdnr')
    """
    bare = _SHORTENED.sub("", _SUFFIX.sub("", _PREFIX.sub("", name.strip()))).casefold()
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


def translated(our: str, names: Sequence[str]) -> str | None:
    """The file's column that is called as ours is in another language; None without one."""
    return next((name for name in names if plain_name(name) in _TRANSLATED.get(our, ())), None)


def nearest(our: str, names: Sequence[str]) -> str | None:
    """The file's column whose name is most like one that ours usually has, in any language; None where none
    is: by a typing error, another word for a number, or words before it.

    >>> nearest("timestamp", ["household", "transaction_timestamp"])
    'transaction_timestamp'
    >>> nearest("user_id", ["superuser", "customer_type", "customer_code"])
    'customer_code'
    """
    usual = (*USUAL[our], *_TRANSLATED.get(our, ()))
    likeness = [(_likeness(_REMARK.sub("", name), our, usual), name) for name in names]
    best = max(likeness, key=lambda pair: pair[0], default=(0.0, ""))
    return best[1] if best[0] else None


def _likeness(name: str, our: str, usual: Sequence[str]) -> float:
    """How well a name tells that its column is ours, 0 to 100: it is usual, or but for a word or an error."""
    plain = plain_name(name)
    if plain in usual:
        return 100
    words = [word.casefold() for word in _WORD.findall(name)]
    if our.endswith("_id") and len(words) > 1 and words[-1] in _NUMBERING and "".join(words[:-1]) in usual:
        return 99
    if "." in plain and not our.endswith("_id") and plain.partition(".")[0] in usual:
        return 99  # a text in several languages: title.de
    match = process.extractOne(plain, usual, scorer=fuzz.ratio, score_cutoff=_TYPING_ERROR)
    if match is not None and not plain.startswith(match[0]) and not plain.endswith(match[0]):
        return match[1]
    ends = ["".join(words[start:]) for start in range(1, len(words)) if not _OTHERWISE & {*words[:start]}]
    return max(
        (len(end) for end in ends if len(end) >= _LEAST_END and end in usual and end != "name"), default=0
    )
