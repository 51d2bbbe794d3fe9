"""Words of many scripts, and what is done to them before they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.text.terms import fold, normalised, phrase, terms, without_stop_words, words

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
"""Lone surrogates, NUL and unassigned characters included."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("தமிழ் நூல்", ["தமிழ்", "நூல்"]),
        ("Ｔｅａ　Ｃｏｓｙ １２３", ["tea", "cosy", "123"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("İSTANBUL Istanbul", ["istanbul", "istanbul"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ﬁne ½", ["fine", "1", "2"]),
        ("чашка Кружки", ["чашка", "кружки"]),
        ("\u200fספר\u200f טוב\u200e", ["ספר", "טוב"]),
        ("می\u200cخواهم کتاب", ["میخواهم", "کتاب"]),
        ("Kaf\u00adfee", ["kaffee"]),
        ("gift 🎁 ❤️ 1️⃣", ["gift", "1"]),
        ("빨간 머그컵", ["빨간", "머그컵"]),
        ("\x00null\x07bell", ["null", "bell"]),
        ("gift \ud83c", ["gift"]),
    ],
)
def test_words_of_every_script_are_whole(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("红色杯子", ["红色", "色杯", "杯子"]),
        ("赤いコップ", ["赤い", "いコ", "コッ", "ップ"]),
        ("茶", ["茶"]),
        ("iphone手机壳", ["iphone", "手机", "机壳"]),
        ("มีดี", ["มีดี"]),
        ("ที่นี่ดี", ["ที่นี่", "นี่ดี"]),
        ("ハーブ", ["ハー", "ーブ"]),
        ("ﾊｰﾌﾞ", ["ハー", "ーブ"]),
    ],
)
def test_scripts_without_spaces_are_cut_into_pairs_of_characters(text: str, found: list[str]) -> None:
    assert list(terms(text)) == found


@pytest.mark.parametrize(
    ("term", "bare"),
    [
        ("café", "cafe"),
        ("naïve", "naive"),
        ("łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("œuvre", "oeuvre"),
        ("ёлка", "елка"),
        ("ısparta", "isparta"),
        ("đồng", "dong"),
        ("كِتَاب", "كتاب"),
        ("كتـــاب", "كتاب"),
        ("שָׁלוֹם", "שלום"),
        ("٨٤", "84"),
        ("हिन्दी", "हिन्दी"),
        ("ที่", "ที่"),
        ("ガラス", "ガラス"),
        ("머그컵", "머그컵"),
        ("\U00010d40", "\U00010d40"),  # a digit since Unicode 16, which Python 3.11 does not know
    ],
)
def test_accents_are_folded_and_vowels_are_not(term: str, bare: str) -> None:
    assert fold(term) == bare


@given(ANY_TEXT)
def test_normalising_and_folding_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
    for term in terms(text):
        assert fold(fold(term)) == fold(term) != ""


@given(ANY_TEXT)
def test_any_text_has_words_and_terms(text: str) -> None:
    found = words(text)
    assert all(found) and all(terms(text))
    assert bool(phrase(text)) == bool(found)
    without_stop_words(text)


@given(ANY_TEXT)
def test_case_and_width_do_not_matter(text: str) -> None:
    assert words(text.casefold()) == words(text) or "i\u0307" in normalised(text.casefold()) + text.casefold()


@pytest.mark.parametrize("text", ["x" * 100_000, "é " * 50_000, "茶" * 100_000, "e" + "\u0301" * 100_000])
def test_very_long_texts_are_read(text: str) -> None:
    assert terms(text)
