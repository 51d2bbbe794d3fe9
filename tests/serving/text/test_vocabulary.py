"""Near words are those that a look at each of them finds."""

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from serving.text.vocabulary import PREFIX, Vocabulary

WORD = st.text("abcdeé", min_size=1, max_size=9)


@given(
    known=st.lists(st.tuples(WORD, st.booleans()), max_size=60),
    asked=WORD,
    edits=st.integers(1, 2),
    longer=st.integers(1, 3),
)
def test_what_is_found_is_what_comparing_with_every_word_finds(
    known: list[tuple[str, bool]], asked: str, edits: int, longer: int
) -> None:
    vocabulary, model = Vocabulary(), set[str]()
    for word, kept in known:
        (vocabulary.add if kept else vocabulary.discard)(word)
        (model.add if kept else model.discard)(word)
    assert len(vocabulary) == len(model)
    distances = {word: OSA.distance(asked, word) for word in model}
    assert vocabulary.near(asked, edits) == {word: d for word, d in distances.items() if d <= edits}
    start = asked.ljust(PREFIX, "a")
    assert sorted(vocabulary.beginning(start, longer)) == sorted(
        word for word in model if word.startswith(start) and 0 < len(word) - len(start) <= longer
    )


def test_it_grows_and_reuses_what_is_free() -> None:
    vocabulary = Vocabulary()
    for number in range(3000):
        vocabulary.add(f"word{number}")
    for number in range(2999):
        vocabulary.discard(f"word{number}")
    vocabulary.add("sword2999")
    assert vocabulary.near("word2999", 1) == {"word2999": 0, "sword2999": 1}


def test_the_revision_tells_whether_anything_changed() -> None:
    vocabulary = Vocabulary()
    vocabulary.add("teapot")
    before = vocabulary.revision
    vocabulary.add("teapot")
    vocabulary.discard("saucer")
    assert vocabulary.revision == before
    vocabulary.discard("teapot")
    assert vocabulary.revision != before
