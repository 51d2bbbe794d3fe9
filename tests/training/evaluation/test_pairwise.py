"""Every two models against each other."""

import numpy as np

from training.evaluation.intervals import compare
from training.evaluation.pairwise import as_table, compare_all


def values_of_three() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    base = generator.random(200)
    return {"weak": base, "strong": base + 0.1, "alike": base + generator.normal(0, 0.1, 200)}


def test_each_pair_is_what_a_comparison_of_the_two_gives() -> None:
    values = values_of_three()
    found = compare_all(values, 300, 7)
    assert list(found) == [("weak", "strong"), ("weak", "alike"), ("strong", "alike")]
    for (model, other), each in found.items():
        alone = compare(values[model], values[other], 300, 7)
        assert (each.users, each.verdict) == (alone.users, alone.verdict)
        assert np.allclose([each.difference, each.low, each.high], [alone.difference, alone.low, alone.high])


def test_one_model_has_no_pair() -> None:
    assert compare_all({"alone": np.ones(3)}, 100, 1) == {}


def test_the_table_names_the_best_first_with_interval_and_verdict() -> None:
    lines = as_table(values_of_three(), "ndcg@10", 300, 7).splitlines()
    assert [line.split(" | ")[0] for line in lines[4:6]] == ["| strong", "| strong"]
    assert "| strong | weak | +0.1000 | [+0.1000, +0.1000] | 200 | better |" in lines
