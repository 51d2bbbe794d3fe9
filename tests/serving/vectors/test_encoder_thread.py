"""One text that the model can't read fails alone."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.vectors.encoder_thread import LiveEncoder


class Strict:
    """An encoder that, like a tokenizer, fails the whole batch for half a character."""

    name, dimension = "strict", 2

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        for text in texts:
            text.encode()
        return np.array([[len(text), 0] for text in texts], dtype=np.float32)


class Short(Strict):
    """An encoder that loses a text of every batch."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return super().encode(texts)[: len(texts) - 1 or 1]


async def test_bad_texts_fail_alone_in_their_batch() -> None:
    encoder = LiveEncoder(Strict())
    texts = ["tea" * (place + 1) if place % 10 else f"gift \ud83c{place}" for place in range(40)]
    found = await asyncio.gather(*(encoder.encode(text) for text in texts), return_exceptions=True)
    for place, vector in enumerate(found):
        if place % 10:
            assert isinstance(vector, np.ndarray) and vector[0] == len(texts[place])
        else:
            assert isinstance(vector, UnicodeEncodeError)
    assert encoder.waiting == 0
    with pytest.raises(UnicodeEncodeError):
        await encoder.encode(texts[0])
    await encoder.close()


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 60)), max_size=30),
    st.integers(1, 6),
    st.integers(1, 100),
)
@settings(max_examples=25)
def test_the_texts_that_are_remembered_are_few_and_short(
    texts: list[tuple[str, int]], remembered: int, characters: int
) -> None:
    async def encode() -> None:
        encoder = LiveEncoder(Strict(), remembered=remembered, characters=characters)
        for letter, length in texts:
            text = letter * length
            assert (await encoder.encode(text))[0] == length
            assert len(encoder._known) <= remembered and sum(map(len, encoder._known)) <= characters
            assert text in encoder._known or length > characters
        await encoder.close()

    asyncio.run(encode())


async def test_a_batch_that_comes_back_too_short_leaves_nobody_waiting() -> None:
    encoder = LiveEncoder(Short())
    async with asyncio.timeout(10):
        found = await asyncio.gather(*(encoder.encode("x" * n) for n in (1, 2, 3)))
    assert [vector[0] for vector in found] == [1, 2, 3]
    await encoder.close()


class Slow(Strict):
    """An encoder that notes the order of what it is given, and waits at its first question."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.order += texts
        self.begun.set()
        self.goes_on.wait(60)
        return super().encode(texts)


async def test_whoever_waits_for_a_text_goes_before_what_is_done_in_the_background() -> None:
    model = Slow()
    encoder = LiveEncoder(model, batch=1)
    first = asyncio.create_task(encoder.encode("first"))
    await asyncio.to_thread(model.begun.wait, 60)
    behind = asyncio.create_task(encoder.encode_behind_others(["behind"]))
    await asyncio.sleep(0)
    others = [asyncio.create_task(encoder.encode(text)) for text in ("second", "third")]
    await asyncio.sleep(0)
    model.goes_on.set()
    await asyncio.gather(first, behind, *others)
    assert model.order == ["first", "second", "third", "behind"]
    await encoder.close()
