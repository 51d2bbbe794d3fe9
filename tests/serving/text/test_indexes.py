"""The indexes by themselves: words, names, vectors."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from database.settings import REPOSITORY
from serving.text import postings, titles
from serving.text.lexical import LexicalIndex
from serving.text.synonyms import Synonyms
from serving.text.terms import phrase, terms
from serving.text.titles import NameIndex
from serving.types import Item
from serving.vectors.encoder_thread import LiveEncoder
from serving.vectors.index import VectorBase, VectorIndex
from training.params import load_params


def item(title: str, **fields: object) -> Item:
    return Item("x", "product", title, **fields)  # type: ignore[arg-type]


@pytest.fixture
def lexical(tmp_path: Path) -> LexicalIndex:
    return LexicalIndex(Synonyms(tmp_path / "none.txt"), load_params(REPOSITORY / "params.yaml").search)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mugs, BOXES and berries!", ["mug", "box", "berry"]),
        ("glass bus this", ["glass", "bus"]),
        ("woman's men’s", ["woman", "men"]),
        ("t-light x2 €5", ["t", "light", "x2", "5"]),
        ("", []),
    ],
)
def test_words_become_terms(text: str, found: list[str]) -> None:
    assert list(terms(text)) == found


def test_a_query_of_stop_words_alone_keeps_them() -> None:
    assert phrase("the who") == ("the", "who")


def test_a_title_counts_more_than_a_description(lexical: LexicalIndex) -> None:
    lexical.put(0, item("Something else", description="a lamp for the desk"))
    lexical.put(1, item("Desk lamp"))
    assert lexical.search("lamp", 2).scores.argmax() == 1


def test_all_words_beat_one_word_many_times(lexical: LexicalIndex) -> None:
    lexical.put(0, item("red red red", description="red red"))
    lexical.put(1, item("a bag", description="made of cloth, red"))
    for row in range(2, 9):
        lexical.put(row, item(f"thing number {row}"))
    assert lexical.search("red bag", 9).scores.argmax() == 1


def test_replaced_and_removed_items_leave_no_trace(lexical: LexicalIndex) -> None:
    lexical.put(0, item("teapot"))
    lexical.put(0, item("saucer"))
    assert not lexical.search("teapot", 1).scores.any()
    lexical.remove(0)
    assert not lexical.search("saucer", 1).scores.any() and len(lexical) == 0


def test_a_known_word_is_never_corrected(lexical: LexicalIndex) -> None:
    lexical.put(0, item("hose"))
    lexical.put(1, item("horse"))
    found = lexical.search("horse", 2)
    assert found.corrected == {} and found.scores[0] == 0


def test_names_are_compared_by_their_rare_words() -> None:
    names = NameIndex()
    for row, title in enumerate(["red teapot", "blue teapot", "red bag", "red box", "red hat"]):
        names.put(row, item(title))
    rows, cosines = names.similar(0, np.ones(5, dtype=bool), np.arange(5, dtype=np.uint64))
    assert rows[cosines.argmax()] == 1
    assert ((cosines > 0) & (cosines < 1)).all()


def test_names_are_compared_without_accents() -> None:
    names = NameIndex()
    for row, title in enumerate(["café au lait", "cafe sign", "red hat", "blue hat"]):
        names.put(row, item(title))
    assert names.similar(0, np.ones(4, dtype=bool), np.arange(4, dtype=np.uint64))[0].tolist() == [1]


def test_of_too_many_names_that_share_as_much_the_same_are_compared_whatever_their_rows() -> None:
    count, found = 2000, []
    order = np.random.default_rng(4).permutation(np.arange(1, count))
    for products in (range(count), [0, *order.tolist()]):
        names, identity = NameIndex(), np.array(products, dtype=np.uint64)
        for row, product in enumerate(products):
            names.put(row, item(f"mug {product}"))
        rows, cosines = names.similar(0, np.ones(count, dtype=bool), identity)
        found.append(dict(zip(identity[rows].tolist(), cosines.tolist(), strict=True)))
    assert found[0] == found[1] and len(found[0]) < count - 1


def test_names_that_come_and_go_leave_the_cosines_of_a_new_index() -> None:
    generator = np.random.default_rng(5)
    words, count = np.array([f"word{number}" for number in range(12)]), 30
    lived, titles = NameIndex(), dict[int, str]()
    everything, identity = np.ones(count, dtype=bool), np.arange(count, dtype=np.uint64)
    for _ in range(120):
        row = int(generator.integers(count))
        if generator.random() < 0.3:
            lived.remove(row)
            titles.pop(row, None)
        else:
            titles[row] = " ".join(generator.choice(words, size=4))
            lived.put(row, item(titles[row]))
        new = NameIndex()
        for each in sorted(titles):
            new.put(each, item(titles[each]))
        for asked in generator.integers(count, size=2).tolist():
            expected = new.similar(asked, everything, identity)
            found = lived.similar(asked, everything, identity)
            assert found[0].tolist() == expected[0].tolist()
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)


@pytest.mark.parametrize("leading", [14, 40, 8192])
@pytest.mark.parametrize("common", [1, 8, 30])
def test_names_without_a_rare_word_are_passed_over_only_where_they_are_not_of_the_best(
    monkeypatch: pytest.MonkeyPatch, common: int, leading: int
) -> None:
    generator = np.random.default_rng(common)
    monkeypatch.setattr(postings, "LEADING", leading)
    names, count = NameIndex(), 80
    words = np.array([f"word{number}" for number in range(9)])
    often = 1 / np.arange(1, 10)
    identity = generator.permutation(count).astype(np.uint64)
    monkeypatch.setattr(titles, "_CANDIDATES", 12)

    def put(row: int) -> None:
        title = generator.choice(words, size=generator.integers(1, 6), p=often / often.sum())
        names.put(row, item(" ".join(title)))

    for row in range(count):
        put(row)
    for _ in range(60):
        put(int(generator.integers(count)))  # what is kept of common words is as they are now
        row, among = int(generator.integers(count)), generator.random(count) < 0.8
        found = []
        for least in (10**9, common):
            monkeypatch.setattr(postings, "COMMON", least)
            found.append(names.similar(row, among, identity))
        np.testing.assert_array_equal(found[0][0], found[1][0])
        np.testing.assert_array_equal(found[0][1], found[1][1])


def unit(generator: np.random.Generator, count: int, dimension: int = 8) -> np.ndarray:
    vectors = generator.normal(size=(count, dimension)).astype(np.float32)
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: np.ndarray = vectors / lengths
    return normalised


def test_base_and_overlay_answer_as_one_exact_search() -> None:
    import faiss

    generator = np.random.default_rng(1)
    base = unit(generator, 40)
    flat = faiss.IndexFlatIP(8)
    flat.add(base)
    rows = generator.permutation(50)[:40].astype(np.int32)
    index = VectorIndex(8, VectorBase(base, flat, rows, np.ones(40, dtype=bool)))
    truth = {int(row): vector for row, vector in zip(rows, base, strict=True)}
    changes = unit(generator, 30)
    for vector, row in zip(changes, generator.integers(0, 60, 30).tolist(), strict=True):
        index.put(row, vector)
        truth[row] = vector
    for row in generator.integers(0, 60, 20).tolist():
        index.remove(row)
        truth.pop(row, None)
    allowed = generator.random(60) < 0.7
    query = unit(generator, 1)[0]
    expected = sorted((-float(truth[row] @ query), row) for row in truth if allowed[row])[:10]
    found, cosines = index.search(query, 10, allowed)
    assert found.tolist() == [row for _, row in expected]
    assert cosines == pytest.approx([-score for score, _ in expected], abs=1e-6)
    assert len(index) == len(truth)
    for row in range(60):
        got = index.get(row)
        assert (got is None) == (row not in truth)
    asked = np.arange(60, dtype=np.int32)
    whole = np.array([truth.get(row, np.zeros(8)) for row in range(60)], dtype=np.float32)
    assert np.allclose(index.gather(asked), whole)


@pytest.mark.parametrize("dimension", [8, 383, 384])
def test_of_equal_vectors_all_are_found_equally_near_in_whatever_order_they_came(dimension: int) -> None:
    generator = np.random.default_rng(3)
    same, others = unit(generator, 1, dimension)[0], unit(generator, 40, dimension)
    query = unit(generator, 1, dimension)[0]
    allowed = np.ones(70, dtype=bool)
    found = []
    for order in (range(70), generator.permutation(70).tolist()):
        index = VectorIndex(dimension)
        for row in order:
            index.put(row, same if row < 30 else others[row - 30])
        rows, cosines = index.search(same, 10, allowed)
        assert sorted(rows.tolist()) == list(range(30)) and len(set(cosines.tolist())) == 1
        found.append(index.cosines(query, 70))
        assert len(set(found[-1][:30].tolist())) == 1
    assert np.array_equal(found[0], found[1])


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="dimension"):
        VectorIndex(8).put(0, np.zeros(9, dtype=np.float32))


class Counting:
    """An encoder that counts its batches, and fails on request."""

    name, dimension = "counting", 2

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(list(texts))
        if "bad" in texts:
            raise RuntimeError("no")
        return np.ones((len(texts), 2), dtype=np.float32)


async def test_texts_that_wait_go_together_and_are_remembered() -> None:
    model = Counting()
    encoder = LiveEncoder(model)
    await asyncio.gather(*(encoder.encode(text) for text in ("a", "b", "a", "c")))
    await encoder.encode("b")
    assert sorted(text for batch in model.batches for text in batch) == ["a", "b", "c"]
    assert len(model.batches) <= 2
    with pytest.raises(RuntimeError):
        await encoder.encode("bad")
    assert (await encoder.encode("d")).tolist() == [1, 1]
    await encoder.close()


def test_a_synonyms_file_that_cannot_be_read_is_none_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("mug, cup\n")
    synonyms = Synonyms(path)
    assert synonyms.others(("mug",)) == [("cup",)]
    path.unlink()
    path.mkdir()  # found, and not to be read
    assert synonyms.others(("mug",)) == []
    path.rmdir()
    path.write_text("mug, beaker\n")
    assert synonyms.others(("mug",)) == [("beaker",)]
