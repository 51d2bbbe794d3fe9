"""Ids that come again are found as by counting them, whatever the batches and the hashes."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks import repeated

words = st.one_of(st.none(), st.sampled_from(["", "a", "b", "é"]), st.text("ab", max_size=3))


@pytest.mark.parametrize("hashes", [3, 1 << 63])
@settings(max_examples=25, deadline=None)
@given(ids=st.lists(words, max_size=30), rows=st.integers(1, 9))
def test_texts_that_come_again_are_those_that_counting_finds(
    tmp_path_factory: pytest.TempPathFactory, hashes: int, ids: list[str | None], rows: int
) -> None:
    """With three hashes nearly all texts have one in common."""
    path = tmp_path_factory.mktemp("ids") / "table.parquet"
    numbers = [None if text is None else len(text) for text in ids]
    columns = {"name": pa.array(ids, pa.string()), "number": pa.array(numbers, pa.int64())}
    pq.write_table(pa.table(columns), path)

    def hashed(texts: list[str]) -> np.ndarray:
        return np.array([hash(text) % hashes for text in texts], dtype=np.uint64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated, "BATCH", rows)
        patch.setattr(repeated, "hashes_of", hashed)
        found = repeated.repeated_texts(path, ["name"]).to_pylist()
        both = repeated.repeated_texts(path, ["name", "number"]).to_pylist()
        again = repeated.repeated_numbers(path, "number").to_pylist()
    texts = Counter(text for text in ids if text is not None)
    assert found == sorted(text for text, times in texts.items() if times > 1)
    assert [text.split(repeated.SEPARATOR)[0] for text in both] == found
    counts = Counter(number for number in numbers if number is not None)
    assert again == sorted(number for number, times in counts.items() if times > 1)
