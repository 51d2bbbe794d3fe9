"""Commands that can be pasted into a shell as they stand, whatever the ids hold."""

import json
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from database.examples import Examples
from operations.example_requests import requests_for

ADDRESS = "http://localhost:3000"
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def words_of(command: str) -> list[str]:
    """What a shell passes to curl."""
    script = "curl() { printf '%s\\0' \"$@\"; }; " + command
    said = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    return said.decode().split("\0")[:-1]


@settings(max_examples=25)
@given(IDS, IDS)
def test_any_ids_arrive_as_they_are(user: str, item: str) -> None:
    made = requests_for(Examples(user, item, "tea"))
    bodies = [json.loads(words_of(each.command(ADDRESS))[-1]) for each in made[:3]]
    assert bodies == [
        {"user_id": user, "n": 5},
        {"item_id": item, "n": 5},
        {"query": "tea", "n": 5},
    ]


def test_an_id_with_a_slash_stays_one_part_of_the_original_address() -> None:
    *_, home = requests_for(Examples("a/b&c", None, None))
    assert words_of(home.command(ADDRESS)) == [
        f"{ADDRESS}/recommendations/home?user_id=a%2Fb%26c&response_limit=5"
    ]


def test_without_any_data_there_is_a_request_all_the_same() -> None:
    (only,) = requests_for(Examples(None, None, None))
    assert only.path == "/v1/trending"


def test_where_reading_needs_a_key_the_command_has_its_place() -> None:
    (only,) = requests_for(Examples(None, None, None))
    assert only.command(ADDRESS, with_key=True).endswith('-H "X-API-Key: $SHORTLIST_KEY"')
