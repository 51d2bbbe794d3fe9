"""A file that is refused: the message names the file, what was seen in it, and what to do."""

import gzip
import re
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from database.ingest import ADAPTERS, Options, __main__
from database.ingest.chunk import DEFAULT, IngestError
from database.ingest.inbox import detect
from tests.database.ingest.reading import write_book

Write = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A file, by which adapter it is read (None: by the one that knows it), what it says and advises."""

    name: str
    write: Write
    seen: str
    advice: str
    adapter: str | None = None
    options: Options = DEFAULT


def text(content: str, encoding: str = "utf-8") -> Write:
    return lambda path: path.write_text(content, encoding)


def raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def parquet(columns: dict[str, list[object]]) -> Write:
    return lambda path: pd.DataFrame(columns).to_parquet(path)


def unreadable_column(path: Path) -> None:
    pairs = pa.FixedSizeListArray.from_arrays(pa.array(["a", "b"]), 2)
    table = {"user_id": ["u"], "item_id": pairs, "event_type": ["click"], "timestamp": ["2024-05-01"]}
    pq.write_table(pa.table(table), path)


def book(path: Path) -> None:
    write_book(path, {"Empty": [], "Goods": [["SKU", "Name"], ["A", "Cup"]]})


def two_files(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")


LOG = "user_id,item_id,event_type,timestamp\nu,i,click,2024-05-01\n"
RENAMED = "customer_nr;product_code;what;time\n1;2;view;2024-05-01\n"
LOAD = "python -m database.ingest load FILE"
CASES = [
    Case(
        "a log.csv",
        text(RENAMED),
        "customer_nr, product_code, what, time; it looks like text separated by semicolons",
        "a log.csv' --map user_id=customer_nr --map item_id=product_code",
        "interactions",
    ),
    Case(
        "stated.csv",
        text(RENAMED),
        "no column item_id",
        "--map user_id=customer_nr --map item_id=product_code --event-type purchase",
        "interactions",
        Options(columns={"user_id": "customer_nr"}),
    ),
    Case("tabs.tsv", text("a\tb\n1\t2\n", "utf-16"), "separated by tabs, UTF-16", "--map", "items"),
    Case(
        "list.json",
        text('[{"who": "u", "what": "i"}]'),
        "it looks like JSON",
        "too few columns: for user_id, item_id, timestamp there is only who, what",
        "interactions",
    ),
    Case("ratings.dat", text("1::31::5::978300760\n"), "double colons", "--header user_id,item_id,..."),
    Case(
        "bestellungen.csv",
        text("Bestellnr;Kunde;Artikel;Menge;Datum\n1;2;3;4;01.05.2024\n"),
        "no column user_id, item_id",
        "--map user_id=Kunde --map item_id=Artikel --map timestamp=Datum --event-type purchase",
    ),
    Case(
        "bestell-nr.csv",
        text("Bestell-Nr.;Kd.-Nr.;Art.-Nr.;Menge;Bestelldatum\n1;2;3;4;01.05.2024\n"),
        "no column event_type; its columns",
        "try: python -m database.ingest interactions .*bestell-nr.csv --event-type purchase",
    ),
    Case(
        "movies.dat",
        text("1::Toy Story (1995)::Animation|Comedy\n"),
        "the first row looks like data: name the 3 columns",
        "--header item_id,title,...",
    ),
    Case(
        "map.csv",
        text(LOG),
        "no column Kunde",
        "its columns are user_id",
        "interactions",
        Options(columns={"user_id": "Kunde"}),
    ),
    Case(
        "log.csv",
        text(LOG.replace("event_type", "title")),
        "it has a column of users",
        "ingest interactions .*/log.csv",
        "items",
    ),
    Case("empty.csv", text(""), "the file is empty", "names is needed", "interactions"),
    Case("twice.csv", text("a,b,a\n"), "more than one column is called a", "rename"),
    Case("cut.json", text('[{"user": 1}, {"user"'), "damaged JSON", "write or download"),
    Case("open.json", text('[{"user": 1},'), "the list does not end", "write or download"),
    Case("none.json", text("[]"), "no rows with fields in this JSON", "must be an object"),
    Case("cut.xml", text("<feed><item><id>1</id>"), "damaged XML", "write or download"),
    Case("page.html", text("<html><p>no</p></html>"), "its elements are html, p", "such as <item>"),
    Case(
        "cut.csv.gz",
        raw(gzip.compress(LOG.encode() * 99)[:60]),
        "damaged|not readable",
        "download",
    ),
    Case("cut.zip", raw(b"PK\x03\x04nothing"), "not a readable zip", "write or download"),
    Case("two.zip", two_files, r"a zip of 2 files \(a.csv, b.csv\)", "unpack it and load each"),
    Case("cut.parquet", raw(b"PAR1nothing"), "not a readable Parquet file", "write or download"),
    Case(
        "odd.parquet",
        unreadable_column,
        "the column item_id has the type fixed_size_list",
        "write it as text",
        "interactions",
    ),
    Case(
        "mixed.csv",
        raw(LOG.encode() + "ü,i,click,2024-05-01\n".encode() + b"\xfc,i,click,2024-05-01\n"),
        "line 4 has the byte 0xFC",
        "--encoding",
        "interactions",
    ),
    Case(
        "stated.txt",
        raw(LOG.encode() + b"\xfc,i,click,2024-05-01\n"),
        "not in the encoding",
        "--encoding",
        "interactions",
        Options(encoding="utf-8"),
    ),
    Case("book.xlsx", book, "the sheet Empty is empty", "--sheet NAME reads another: Goods", "items"),
    Case(
        "book2.xlsx", book, "no sheet Orders", "its sheets are Empty, Goods", "items", Options(sheet="Orders")
    ),
    Case("old.xls", raw(b"\xd0\xcf\x11\xe0nothing"), "not a readable spreadsheet", "as CSV", "items"),
    *(
        Case(f"{adapter}.csv", text(LOG), "not (Amazon|Online Retail|one JSON)", LOAD, adapter)
        for adapter in ("products", "retail")
    ),
    *(
        Case(f"{adapter}.json", text('{"a": 1}\n'), "not Amazon", LOAD, adapter)
        for adapter in ("reviews", "metadata")
    ),
    *(
        Case(f"{adapter}.parquet", parquet({"a": [1]}), "not (Amazon|Online Retail)", LOAD, adapter)
        for adapter in ("products", "reviews", "metadata", "retail")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal_names_the_file_what_was_seen_and_what_to_do(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    case.write(path)
    with pytest.raises(IngestError) as refused:
        adapter = (
            detect(path, ADAPTERS.values(), case.options) if case.adapter is None else ADAPTERS[case.adapter]
        )
        adapter.check(path, case.options)
        list(adapter.read(path, 0, case.options))
    message = str(refused.value)
    assert case.name in message and "\n" not in message
    assert re.search(case.seen, message), message
    assert case.advice in message or re.search(case.advice, message), message


@pytest.mark.parametrize(
    ("name", "content", "encoding", "said"),
    [
        ("a b's $HOME;.csv", "Kunde,Artikel,Datum\nu,i,2024-05-01\n", "utf-8", ()),
        ("-x.csv", "Kunde,Artikel,Datum\nu,i,2024-05-01\n", "utf-8", ()),
        ("umlaut.csv", "Kunde;Nötig;Artikel;Größe;Zeit\nandré;1;i;2;2024-05-01\n", "cp1252", ()),
        ("`id`.csv", "Kunde (A'B);Artikel $(x);Zeit!\nu;i;2024-05-01\n", "utf-8", ()),
        ("stated.csv", "Künde;Artikelnr;Zeit\nu;i;2024-05-01\n", "cp1252", ("--map", "user_id=Künde")),
        ("cp.csv", "K\u017eunde;Artikelnr;Zeit\nu;i;2024-05-01\n", "cp1250", ("--encoding", "cp1250")),
        ("bare.csv", "u;i;2024-05-01\n", "utf-8", ("--header", "kunde,artikel,datum")),
        ("grocer.csv", "household_id,product_id,transaction_timestamp\nu,7,2024-05-01T10:00\n", "utf-8", ()),
        ("ends.csv", "client_user_id,the_product,day_and_date\nu,7,2024-05-01\n", "utf-8", ()),
        ("action.csv", "Kunde,Artikel,Datum,Aktion\nu,i,2024-05-01,view\n", "utf-8", ()),
        ("es.csv", "Pedido;Cliente;Producto;Precio;Fecha\n1;josé;P;12,99;25/12/2025\n", "utf-8", ()),
        ("fr.csv", "N° commande;Client;Produit;Quantité;Date\n1;Zoé;P;2;25/12/2025\n", "cp1252", ()),
        ("nl.csv", "Bestelnummer,Klantnummer,Artikelnummer,Besteldatum\n1,k,A,25-12-2025\n", "utf-8", ()),
    ],
)
def test_the_command_that_a_refusal_prints_loads_the_file(
    name: str,
    content: str,
    encoding: str,
    said: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(__main__, "_words_by_api", tuple)
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content, encoding)
    refusal = CliRunner().invoke(__main__.main, ["interactions", *said, "--dry-run", "--", name])
    assert refusal.exit_code == 2, refusal.output
    command = shlex.split(refusal.output.partition("try: ")[2])
    assert command[:3] == ["python", "-m", "database.ingest"], refusal.output
    loaded = CliRunner().invoke(__main__.main, [*command[3:], "--dry-run"])
    assert "1 rows read: 1 usable, 0 rejected" in loaded.output, loaded.output
    assert ("click" if "Aktion" in content else "purchase") in loaded.output


@pytest.mark.parametrize(
    "dates", [("03/04/2026", "11/04/2026"), ("03/04/26", "24/12/13"), ("25/04/2026", "04/25/2026")]
)
@pytest.mark.parametrize("names", ["Kunde,Artikel,Datum", "Kunde,item_id,timestamp"])
@pytest.mark.parametrize("write", ["csv", "parquet"])
def test_dates_that_do_not_tell_are_asked_about(
    dates: tuple[str, str], names: str, write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command alone would reject what no option decides; with one of those that are named it loads."""
    monkeypatch.setattr(__main__, "_words_by_api", tuple)
    path = tmp_path / f"log.{write}"
    table = pd.DataFrame([["u", "i", each] for each in dates], columns=names.split(","))
    table.to_csv(path, index=False) if write == "csv" else table.to_parquet(path)
    refusal = CliRunner().invoke(__main__.main, ["interactions", str(path), "--dry-run"])
    asked = f"say which comes first in {dates[0]}, the day or the month, with --day-first or --month-first"
    assert refusal.exit_code == 2 and asked in refusal.output and "try:" not in refusal.output
    command = shlex.split(refusal.output.partition("at the end of: ")[2])
    loaded = CliRunner().invoke(__main__.main, [*command[3:], "--day-first", "--dry-run"])
    usable = 1 if dates[1].startswith("04/25") else 2
    assert f"2 rows read: {usable} usable" in loaded.output, loaded.output
    stated = CliRunner().invoke(__main__.main, ["interactions", str(path), "--day-first", "--dry-run"])
    assert "try: python" in stated.output and "--day-first" in stated.output.partition("try:")[2]


def test_one_date_settles_those_of_the_column(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("Kunde,Artikel,Datum\n" + "u,i,03/04/2026\n" * 70_000 + "u,i,25/04/2026\n")
    with pytest.raises(IngestError, match="; try: python") as refused:
        ADAPTERS["interactions"].check(path, DEFAULT)
    assert "--day-first" not in str(refused.value)


def test_no_column_is_proposed_twice(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("Artikel,Lager\n1,2\n")
    with pytest.raises(IngestError, match="--map item_id=Artikel --map title=COLUMN") as refused:
        ADAPTERS["items"].check(path, DEFAULT)
    assert "; say which column is the title: python -m" in str(refused.value)
    assert "try:" not in str(refused.value)  # as it stands the command would load nothing


def test_a_file_without_a_column_to_spare_is_offered_no_command(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("Artikelnr\n1\n")
    with pytest.raises(IngestError, match=r"too few columns: for title there is none$"):
        ADAPTERS["items"].check(path, DEFAULT)


def test_the_command_keeps_all_that_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "_words_by_api", tuple)
    monkeypatch.chdir(tmp_path)
    Path("a*[b].csv").write_text("Kunde;Artikelnr;Zeit;Aktion;Wert\nNA;1;3/4/24;in Korb;1,399\n")
    said = ("--decimal", "comma", "--rating-scale", "0..10", "--keep-null-words", "--day-first")
    words = ("--event", "in Korb=cart", "--event", "egal=nothing", "--event", "las=view", "--value", "ignore")
    refusal = CliRunner().invoke(__main__.main, ["interactions", "a*[b].csv", *said, *words, "--dry-run"])
    command = shlex.split(refusal.output.partition("try: ")[2])
    pairs = [*pairwise(command)]
    kept = [("--decimal", "comma"), ("--rating-scale", "0..10"), ("--value", "ignore")]
    kept += [("--event", "in korb=cart"), ("--event", "egal=nothing"), ("--event", "las=click")]
    assert set(kept) <= set(pairs), command
    assert {"--keep-null-words", "--day-first", "a*[b].csv"} <= set(command)
    loaded = CliRunner().invoke(__main__.main, [*command[3:], "--dry-run"])
    assert "1 rows read: 1 usable, 0 rejected" in loaded.output, loaded.output
    assert "NA" in loaded.output and "2024-04-03" in loaded.output, loaded.output


def test_what_stood_in_a_refused_row_of_parquet_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    times = pd.to_datetime(["2024-05-01", "1980-01-02", "1970-01-01"], utc=True)
    pd.DataFrame(
        {"user_id": "u", "item_id": "i", "event_type": ["a", "click", "click"], "timestamp": times}
    ).to_parquet(path)
    (refused,) = [
        chunk.rejected for chunk in ADAPTERS["interactions"].read(path, 0) if chunk.rejected is not None
    ]
    assert list(refused["line"]) == [1, 2, 3]
    assert list(refused["seen"].dropna()) == ["a", "1980-01-02 00:00:00+00:00"]
