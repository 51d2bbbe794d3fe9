"""What the column `value` of a log holds: read by type of event, as an option says, or asked about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.event_words import EventType
from database.ingest import ADAPTERS, Options, ingest_inbox
from database.ingest.__main__ import main
from database.ingest.preview import preview
from tests.database.ingest.reading import Made, read_file

Query = Callable[[str], list[tuple[Any, ...]]]
LOG = """user_id,item_id,event_type,timestamp,value
u1,i1,purchase,2024-05-01,19.99
u1,i2,purchase,2024-05-01,249
u2,i1,purchase,2024-05-02,5.50
u2,i2,like,2024-05-02,37
u3,i1,rating,2024-05-03,4
"""


def read(folder: Path, text: str, options: Options | None = None) -> Made:
    path = folder / "log.csv"
    path.write_text(text)
    return read_file("interactions", path, options)


def column(made: Made, name: str) -> list[float | None]:
    values = made.interactions.get(name, pd.Series([None] * len(made.interactions)))
    return [None if pd.isna(value) else float(value) for value in values]


def test_what_looks_like_a_price_is_asked_about_once(tmp_path: Path) -> None:
    made = read(tmp_path, LOG)
    (asked,) = made.questions
    assert "such as 19.99" in asked and "--value price" in asked
    assert [note for note in made.notes if "like has values such as 37" in note]


def test_it_is_asked_before_anything_is_loaded(connection: Connection, query: Query, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    dry = CliRunner().invoke(main, ["load", str(path), "--dry-run"])
    assert dry.exit_code == 0 and "refused until this is answered: value: most purchases" in dry.output
    asked = CliRunner().invoke(main, ["load", str(path)])
    assert asked.exit_code == 1 and "log.csv: value: most purchases" in asked.output
    assert "--value price" in asked.output and "Nothing was written" in asked.output
    for table in ("interactions", "items", "users", "ingest_runs"):
        assert query(f"select count(*) from {table}") == [(0,)]
    answered = CliRunner().invoke(main, ["load", str(path), "--value", "price"])
    assert answered.exit_code == 0, answered.output
    assert query("select count(*) from interactions") == [(4,)]  # the rating has no stars then


def test_an_inbox_which_nobody_can_ask_goes_on_and_says_so(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (delivery,) = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert delivery.error is None and delivery.report is not None
    assert [note for note in delivery.report.notes if "--value price" in note]


@pytest.mark.parametrize(
    ("meaning", "values", "prices"),
    [
        ("quantity", [19.99, 249, 5.5, None], [None] * 4),
        ("price", [None] * 4, [19.99, 249, 5.5, 37]),
        ("ignore", [None] * 4, [None] * 4),
        ("rating", [None, None, None, None, 4], [None] * 5),
    ],
)
def test_the_option_says_what_it_is_and_nothing_is_asked(
    tmp_path: Path, meaning: str, values: list[float | None], prices: list[float | None]
) -> None:
    made = read(tmp_path, LOG, Options(value=meaning))  # type: ignore[arg-type]
    assert column(made, "value") == values and column(made, "price") == prices
    assert not made.questions and not [note for note in made.notes if "--value" in note]


@pytest.mark.parametrize("values", ["1,2,3", "0.512,1.203,2", ",,"])
def test_quantities_are_not_asked_about(tmp_path: Path, values: str) -> None:
    rows = [f"u,i{place},purchase,2024-05-01,{value}" for place, value in enumerate(values.split(","))]
    made = read(tmp_path, "\n".join(["user_id,item_id,event_type,timestamp,value", *rows]))
    assert not made.questions and not [note for note in made.notes if "--value" in note]


def test_the_same_events_are_the_same_whatever_the_value_is_called(tmp_path: Path) -> None:
    """A file that is loaded again with the right option adds nothing."""
    keys = [
        set(read(tmp_path, LOG, Options(value=meaning)).interactions["natural_key"][:3])
        for meaning in (None, "price", "ignore")
    ]
    assert keys[0] == keys[1] == keys[2]


def test_a_dry_run_says_what_a_value_is(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    said = preview(ADAPTERS["interactions"], path, Options()).lines()
    assert any("the quantity of a purchase" in line for line in said)


def test_what_words_of_others_count_as_is_printed(tmp_path: Path) -> None:
    kinds = ("view", "Add to cart", "view", "impression", "purchase", "stare")
    rows = [f"u,i{place},{kind},2024-05-01" for place, kind in enumerate(kinds)]
    made = read(tmp_path, "\n".join(["user_id,item_id,event_type,timestamp", *rows]))
    assert made.notes == (
        "event types: add to cart counts as click of weight 3, impression counts as nothing, "
        "view counts as click",
    )
    own = read(tmp_path, "\n".join(["user_id,item_id,event_type,timestamp", rows[4]]))
    assert own.notes == ()


def test_a_word_counts_as_the_last_definition_says(tmp_path: Path) -> None:
    text = "user_id,item_id,event_type,timestamp\nu,i,taste,2024-05-01\n"
    assert read(tmp_path, text).refused() == [(2, "unknown event type")]
    configured = Options(configured_words=(EventType("taste", "click"),))
    assert list(read(tmp_path, text, configured).interactions["event_type"]) == ["click"]
    by_api = Options(
        configured_words=configured.configured_words, stored_words=(EventType("taste", "like", 2.0),)
    )
    made = read(tmp_path, text, by_api).interactions
    assert (made["event_type"][0], made["weight"][0]) == ("like", 2.0)


def test_customer_0_of_an_order_is_a_guest_and_user_0_of_a_log_is_not(tmp_path: Path) -> None:
    orders = "order_id,customer_id,sku,date\n7,0,A,2024-05-01\n8,12,A,2024-05-01\n"
    made = read(tmp_path, orders, Options(event_type="purchase"))
    assert made.interactions["user_id"].isna().tolist() == [True, False]
    assert made.nulled["customer 0 of an order: a guest"] == 1
    log = "session_id,user_id,item_id,event_type,timestamp\n7,0,A,click,2024-05-01\n"
    assert read(tmp_path, log).interactions["user_id"].tolist() == ["0"]
