"""What a column is read as by its name alone, and what it is proposed for where that is missing."""

from pathlib import Path

import pytest

from database.ingest.column_names import OF_ITEMS, USUAL, nearest, resolve
from database.ingest.interactions import _WANTED
from database.ingest.items import _READ

IN_A_LOG = {
    **dict.fromkeys(
        ("User ID", "userId", "Customer-ID", "customer_number", "cust_id", "VisitorID"), "user_id"
    ),
    **dict.fromkeys(("Kunden-Nr.", "Kundennummer", "Kd.-Nr.", "KdNr", "Kunden-ID", "customer.id"), "user_id"),
    **dict.fromkeys(("product_id", "Product No.", "item number", "SKU", "Lineitem sku", "ASIN"), "item_id"),
    **dict.fromkeys(("Art.-Nr.", "Art.Nr.", "ArtNr", "Artikelnummer", "Artikel-Nr", "ProduktID"), "item_id"),
    **dict.fromkeys(("Created at", "order_date", "event_time", "unixReviewTime", "ts"), "timestamp"),
    **dict.fromkeys(("Bestelldatum", "Rechnungsdatum", "Kaufdatum", "BESTELLDATUM"), "timestamp"),
    **dict.fromkeys(("Qty", "Lineitem quantity", "Menge", "Anzahl", "Cantidad", "Quantité"), "quantity"),
    **dict.fromkeys(("Order ID", "invoice_no", "Bestell-Nr.", "Rechnungsnummer", "Belegnr."), "session_id"),
    **dict.fromkeys(("eventType", "event name", "Action"), "event_type"),
    **dict.fromkeys(("stars", "Bewertung", "Book-Rating"), "stars"),
    **dict.fromkeys(("search_term", "Suchbegriff"), "query"),
}
IN_A_CATALOGUE = {
    **dict.fromkeys(("id", "g:id", "Artikelnummer", "Art.-Nr.", "Handle", "sku"), "item_id"),
    **dict.fromkeys(("Title", "product_name", "Bezeichnung", "Artikelbezeichnung", "Titel"), "title"),
    **dict.fromkeys(
        ("Preis", "VK-Preis", "Variant Price", "sale_price", "Precio", "Prix TTC", "Prijs"), "price"
    ),
    **dict.fromkeys(("UVP", "list_price", "Compare At Price", "Streichpreis"), "original_price"),
    **dict.fromkeys(("Kategorie", "Warengruppe", "product_type", "google_product_category"), "category"),
    **dict.fromkeys(("Beschreibung", "Body (HTML)", "Langtext"), "description"),
    **dict.fromkeys(("Bild-URL", "image_link", "Image Src"), "image_url"),
}
PROPOSED = {
    "customer_nr": {"user_id"},
    "customer_code": {"user_id"},
    "client_user_id": {"user_id"},
    "Kunde": {"user_id"},
    "Kunde (Nr.)": {"user_id"},
    "custommer_id": {"user_id"},
    "product_code": {"item_id"},
    "aw_product_id": {"item_id"},
    "Artikel": {"item_id", "title"},
    "Datum": {"timestamp"},
    "ID Cliente": {"user_id"},
    "N° client": {"user_id"},
    "Klantnummer": {"user_id"},
    "Producto": {"item_id", "title"},
    "Référence": {"item_id"},
    "Date de commande": {"timestamp"},
    "Fecha": {"timestamp"},
    "Naam": {"title"},
    "Désignation": {"title"},
    "transaction_timestamp": {"timestamp"},
    "last_order_date": {"timestamp"},
    "item_title_en": set(),
    "short_product_name": {"title"},
}
NEITHER = (
    *(
        "superuser",
        "super_user",
        "is_user",
        "user_agent",
        "customer_type",
        "customer_name",
        "new_customer",
        "seller_user_id",
        "vendor_email",
        "surname",
    ),
    *(
        "brand_name",
        "brandname",
        "first_name",
        "category_name_id",
        "country",
        "colour",
        "Marke",
        "Farbe",
        "Lager",
    ),
    *("product_type", "product_count", "is_product", "reordered_product_count", "itemised"),
    *(
        "birth_date",
        "Geburtsdatum",
        "delivery_date",
        "Lieferdatum",
        "expiry_date",
        "update",
        "runtime",
        "sometimes",
    ),
    *("Preis", "Menge", "price", "weight", "quantity", "order_reference", "Numéro de commande"),
)
NEEDED = ("user_id", "item_id", "timestamp", "title")


def read_as(name: str, *, log: bool) -> str | None:
    (ours,) = resolve([name], _WANTED if log else _READ, {}, USUAL if log else OF_ITEMS).ours
    return None if ours == name and name not in (*_WANTED, *_READ) else ours


@pytest.mark.parametrize(("name", "ours"), IN_A_LOG.items())
def test_columns_of_a_log(name: str, ours: str) -> None:
    assert read_as(name, log=True) == ours


@pytest.mark.parametrize(("name", "ours"), IN_A_CATALOGUE.items())
def test_columns_of_a_catalogue(name: str, ours: str) -> None:
    assert read_as(name, log=False) == ours


@pytest.mark.parametrize(("name", "ours"), PROPOSED.items())
def test_what_may_be_one_is_proposed_and_not_read(name: str, ours: set[str]) -> None:
    assert {each for each in NEEDED if nearest(each, [name])} == ours
    assert read_as(name, log=True) is None


@pytest.mark.parametrize("name", NEITHER)
def test_what_is_called_nearly_so_is_not_proposed(name: str) -> None:
    assert {each for each in NEEDED if nearest(each, [name])} == set()
    assert read_as(name, log=True) not in NEEDED


def test_the_table_of_names_in_the_docs_is_the_one_that_is_read() -> None:
    text = (Path(__file__).parents[3] / "docs" / "files.md").read_text()
    rows = {
        tuple(cell.strip() for cell in line.split("|")[1:3]) for line in text.splitlines() if line[:1] == "|"
    }
    for our in (
        "user_id",
        "device_id",
        "session_id",
        "event_type",
        "timestamp",
        "query",
        "title",
        "price",
        "quantity",
    ):
        assert ", ".join(USUAL[our]) in {names for name, names in rows if name.split(" ")[0] == f"`{our}`"}
    assert ("`item_id` of a catalogue", ", ".join(OF_ITEMS["item_id"])) in rows
    assert ("`rating` (of a log)", ", ".join(USUAL["stars"])) in rows
