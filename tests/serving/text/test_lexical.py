"""Search by words: what is known where, what is guessed, accents, numbers, scripts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.settings import REPOSITORY
from serving.text.lexical import LexicalIndex
from serving.text.matches import WordMatches
from serving.text.synonyms import Synonyms
from serving.text.terms import words
from serving.text.vocabulary import Vocabulary
from serving.types import Item
from training.params import load_params

SEARCH = load_params(REPOSITORY / "params.yaml").search
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
WORDS = ["tea", "Tea", "mug", "café", "cafe", "the", "84051", "茶", "绿茶", "ที่นี่", "हिन्दी"]
TITLE = st.one_of(ANY_TEXT, st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join))


def index_of(titles: Sequence[str], synonyms: Path = Path("none.txt")) -> LexicalIndex:
    index = LexicalIndex(Synonyms(synonyms), SEARCH)
    for row, title in enumerate(titles):
        index.put(row, Item(f"i{row}", "product", title))
    return index


def found(titles: Sequence[str], query: str) -> list[str]:
    """Titles that match, best first."""
    scores = index_of(titles).search(query, len(titles)).scores
    return [titles[row] for row in np.argsort(-scores, kind="stable") if scores[row] > 0]


SHOP = ["Mug warmer", "Hand warmer", "Christmas stocking", "Christmas tree", "Red umbrella"]


@pytest.mark.parametrize(("query", "count"), [("warm", 2), ("chrismas", 2), ("umbrela", 1)])
def test_an_article_with_the_word_as_typed_takes_no_guess_from_the_shop(query: str, count: int) -> None:
    articles = ["Keep warm this winter", "A chrismas carol", "What an umbrela is"]
    index = index_of([*SHOP, *articles])
    shop = np.arange(len(SHOP) + len(articles)) < len(SHOP)
    hits = index.search(query, len(shop), shop)
    assert np.count_nonzero(hits.scores[shop]) == count and not hits.scores[~shop].any()
    assert len(hits.corrected) == 1
    alone = index_of(SHOP).search(query, len(SHOP))
    assert alone.corrected == hits.corrected
    among_articles = index.search(query, len(shop), ~shop)
    assert among_articles.corrected == {} and np.count_nonzero(among_articles.scores) == 1
    assert index.search(query, len(shop)).corrected == {}


def test_guesses_are_words_of_the_rows_that_may_be_shown() -> None:
    index = index_of(["horse", "horse", "horsey", "hose", "gift"])
    allowed = np.array([False, False, False, True, True])
    hits = index.search("horsr", 5, allowed)
    assert hits.corrected == {} and not hits.scores.any()  # hose is two edits away, horse is not shown
    assert index.search("horse", 5, allowed).corrected == {"horse": "hose"}


def test_many_other_words_do_not_crowd_out_the_one_that_may_be_shown() -> None:
    titles = [f"warm{ending}" for ending in ("a", "b", "c", "d", "er") for _ in range(3)] + ["warmth"]
    allowed = np.array([title == "warmth" for title in titles])
    assert index_of(titles).search("warm", len(titles), allowed).corrected == {"warm": "warmth"}


def test_scores_are_shares_of_the_best_that_may_be_shown() -> None:
    index = index_of(["tea tea tea tea", "tea towel in a long title of red cotton", "gift"])
    allowed = np.array([False, True, True])
    assert index.search("tea", 3, allowed).scores.tolist() == [0, 1, 0]


def test_only_so_many_unknown_words_of_a_query_are_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of([f"{letter}umbrella" for letter in "abcdefghijklmnopqrstuvwxyz"])
    looked_up: list[str] = []
    near = Vocabulary.near

    def noting(self: Vocabulary, word: str, edits: int) -> dict[str, int]:
        looked_up.append(word)
        return near(self, word, edits)

    monkeypatch.setattr(Vocabulary, "near", noting)
    index.search(" ".join(f"zzzz{letter}qqqq" for letter in "abcdefghijklmnopqrstuvwxyz"), 26)
    assert 0 < len(looked_up) <= 8


def test_words_that_were_looked_for_before_need_no_look_in_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = index_of(["teapot", "teacup", "gift", "café au lait", "84031"])
    allowed = np.array([True, False, True, True, True])
    query = "teapto teacup gifft cafe 84051 teapto"
    expected = index_of(["teapot", "teacup", "gift", "café au lait", "84031"]).search(query, 5, allowed)
    assert index.unknown(query, allowed) == ["teapto", "teacup", "gifft"]
    for word in index.unknown(query, allowed):
        index.guess(word)
    assert index.unknown(query, allowed) == []
    monkeypatch.setattr(Vocabulary, "near", None)
    found = index.search(query, 5, allowed)
    assert found.corrected == expected.corrected and found.scores.tolist() == expected.scores.tolist()
    index.put(1, Item("i1", "product", "saucer"))
    assert index.unknown(query, allowed) == ["teapto", "teacup", "gifft"]


def test_guesses_follow_edits() -> None:
    index = index_of(["teapot", "gift"])
    assert index.search("saucr", 2).corrected == {}
    index.put(1, Item("i1", "product", "saucer"))
    assert index.search("saucr", 2).corrected == {"saucr": "saucer"}
    index.remove(1)
    assert index.search("saucr", 2).corrected == {}


@pytest.mark.parametrize("query", ["84051", "84031x", "ab-84051", "8403"])
def test_numbers_are_never_guessed(query: str) -> None:
    assert found(["84031", "84031 frame", "ab84031"], query) == []


def test_a_word_is_not_read_as_a_number() -> None:
    assert found(["canon5", "mugs2"], "canons") == []


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("cafe", ["Cafe", "Café"]),
        ("café", ["Café", "Cafe"]),
        ("cafè", ["Cafe", "Café"]),
        ("cafés", ["Café", "Cafe"]),
        ("CAFÉ", ["Café", "Cafe"]),
    ],
)
def test_accents_are_optional_and_the_exact_form_comes_first(query: str, order: list[str]) -> None:
    assert found(["Tea", "Café", "Cafe", "Cafetiere"], query) == order


def test_an_accented_word_is_found_where_nothing_else_has_it() -> None:
    titles = ["Cafetiere", "Café sign", "Crème brûlée dish"]
    assert found(titles, "cafe")[0] == "Café sign"
    assert found(titles, "creme brulee") == ["Crème brûlée dish"]
    assert found(titles, "brulée")[0] == "Crème brûlée dish"
    assert found(titles, "crme brulee") and found(titles, "brulle") == ["Crème brûlée dish"]


def test_accents_do_not_make_an_item_longer() -> None:
    scores = index_of(["crème brûlée red", "creme brulee red", "gift"]).search("red", 3).scores
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("ｔｅａｐｏｔ", "Teapot"),
        ("istanbul", "İSTANBUL poster"),
        ("İstanbul", "İSTANBUL poster"),
        ("हिन्दी", "हिन्दी किताब"),
        ("किताब", "हिन्दी किताब"),
        ("杯子", "红色杯子"),
        ("杯", "红色杯子"),
        ("红色的杯子", "红色杯子"),
        ("ผ้าพันคอ", "ผ้าพันคอสีแดง"),
        ("елка", "Ёлка"),
        ("كتاب", "كِتَاب"),
        ("コップ", "赤いコップ"),
        ("ｺｯﾌﾟ", "赤いコップ"),
        ("머그컵", "빨간 머그컵"),
        ("strasse", "Straße"),
        ("80", "٨٠ cm"),
    ],
)
def test_every_script_can_be_searched(query: str, first: str) -> None:
    titles = [
        "Teapot", "İSTANBUL poster", "हिन्दी किताब", "हम", "红色杯子", "ผ้าพันคอสีแดง", "ผม", "Ёлка", "كِتَاب",
        "赤いコップ", "빨간 머그컵", "Straße", "٨٠ cm", "色",
    ]  # fmt: skip
    assert found(titles, query)[0] == first


def test_one_letter_of_a_hindi_word_is_not_the_word() -> None:
    assert found(["ह न द", "हिन्दी"], "हिन्दी") == ["हिन्दी"]
    assert found(["हिन्दी"], "ह") == []


def test_synonyms_need_no_accents(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("café, coffee house\n", encoding="utf-8")
    index = index_of(["Coffee house sign", "Gift"], path)
    assert index.search("cafe", 2).scores[0] > 0 and index.search("CAFÉ", 2).scores[0] > 0


def test_a_whole_title_comes_first_in_a_catalogue_that_grows_and_changes() -> None:
    index = LexicalIndex(Synonyms(Path("none")), SEARCH)
    for row in range(3000):
        index.put(row, Item(str(row), "product", f"cup {row} of tea cup"))
    for row, title in ((5, "cup of cup"), (2999, "tea of tea")):
        index.put(row, Item(str(row), "product", title))
        found = index.search(title, 3000).scores
        assert found[row] == 1 and (np.delete(found, row) <= np.float32(0.98)).all()
        index.put(row, Item(str(row), "product", "cup"))
        assert (index.search(title, 3000).scores > np.float32(0.98)).any()


def test_a_title_of_stop_words_is_found_by_itself() -> None:
    assert found(["The Who", "Tea"], "the who") == ["The Who"]


@given(st.lists(TITLE, min_size=1, max_size=12, unique_by=lambda title: tuple(words(title))))
def test_every_item_is_first_for_its_own_title(titles: list[str]) -> None:
    index = index_of(titles)
    for row, title in enumerate(titles):
        if words(title):
            scores = index.search(title, len(titles)).scores
            assert scores[row] == 1 and np.count_nonzero(scores == 1) == 1


@given(titles=st.lists(ANY_TEXT, max_size=5), query=ANY_TEXT)
def test_no_text_breaks_the_search(titles: list[str], query: str) -> None:
    index = index_of(titles)
    hits: WordMatches = index.search(query, len(titles), np.ones(len(titles), dtype=bool))
    assert np.isfinite(hits.scores).all() and ((hits.scores >= 0) & (hits.scores <= 1)).all()
    assert hits.scores.tolist() == index.search(query, len(titles)).scores.tolist()
    for row in range(len(titles)):
        index.remove(row)
    assert not index.search(query, len(titles)).scores.any() and len(index) == 0


@pytest.mark.parametrize("query", ["x" * 100_000, "tea " * 25_000, "茶" * 100_000, "a\u0301" * 50_000])
def test_very_long_queries_are_answered(query: str) -> None:
    assert len(index_of(["tea", "茶"]).search(query, 2).scores) == 2
