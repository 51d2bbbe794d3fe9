"""What a replay says of a bundle that differs in the last bits, and where the bits come from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from training.models import ease
from training.models.core.data import TrainingData
from training.models.core.types import FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.ease import Ease, EaseConfig
from training.pipeline.replay import ASKED, Comparison, Replay, agree, compare, other_files_differ
from training.release.environment import compare_environments, describe_environment

CONFIG = EaseConfig(l2=20.0, max_items=1000, neighbours=100, strength="binary")
REBUILT = Replay(
    bundle_id="a",
    rebuilt_id="b",
    files=9,
    different=("ease/data.npy",),
    metrics=(),
    compared={"ease": Comparison(1.0, 1e-6)},
    other_files=False,
    commit="c",
    commit_now="c",
)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """500 users who each bought some of 400 items, popular ones more often."""
    generator = np.random.default_rng(0)
    bought = generator.random((500, 400)) < 0.3 * generator.random((1, 400)) ** 2
    return TrainingData(
        Vocabulary.build(f"{n:03d}" for n in range(400)),
        Vocabulary.build(f"{n:03d}" for n in range(500)),
        sparse.csr_array(bought.astype(np.float32)),
    )


def test_one_thread_solves_ease(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    solve = ease._inverse

    def watched(gram: FloatArray) -> FloatArray:
        seen.extend(found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas")
        return solve(gram)

    monkeypatch.setattr(ease, "_inverse", watched)
    with threadpool_limits(limits=2, user_api="blas"):
        ease.fit(data, CONFIG, 0)
    assert seen and set(seen) == {1}


@pytest.mark.slow
def test_more_threads_change_nothing_but_the_rounding_of_a_large_ease(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ease, "ONE_THREAD", 0)
    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads, user_api="blas"):
            ease.fit(data, CONFIG, 0).save(tmp_path / str(threads) / "ease")
    for threads in (2, 4):
        found = compare(tmp_path / "1" / "ease", tmp_path / str(threads) / "ease", seed=1)
        assert found.alike, found


def test_another_model_is_not_rounding(data: TrainingData, tmp_path: Path) -> None:
    fitted = ease.fit(data, CONFIG, 0)
    fitted.save(tmp_path / "one" / "ease")
    noise = np.random.default_rng(0).normal(1.0, 0.05, len(fitted.data)).astype(np.float32)
    Ease(fitted.indptr, fitted.indices, fitted.data * noise, fitted.scalars).save(tmp_path / "two" / "ease")
    assert compare(tmp_path / "one" / "ease", tmp_path / "one" / "ease", seed=1) == Comparison(1.0, 0.0)
    assert not compare(tmp_path / "one" / "ease", tmp_path / "two" / "ease", seed=1).alike


def test_a_replay_tells_rounding_from_a_difference() -> None:
    assert REBUILT.same and not REBUILT.identical
    assert REBUILT.lines()[0].endswith("the same, save for rounding.")
    assert f"  ease: 100% of {ASKED} lists are the same; scores differ by 1e-06" in REBUILT.lines()
    for other in (
        replace(REBUILT, other_files=True),
        replace(REBUILT, metrics=("metrics of ease",)),
        replace(REBUILT, compared=None),
        replace(REBUILT, compared={"ease": Comparison(0.5, 1e-6)}),
        replace(REBUILT, compared={"ease": Comparison(1.0, 0.1)}),
    ):
        assert not other.same
        assert other.lines()[0].endswith("NOT identical.")
    assert replace(REBUILT, different=()).identical


def test_a_replay_on_another_machine_says_what_is_different_there() -> None:
    now = describe_environment()
    assert now["libraries"].keys() >= {"numpy", "scipy", "implicit"} and now["cpu_features"]
    assert any("kernels" in blas and "threads" in blas for blas in now["blas"])
    assert compare_environments(now, now) == compare_environments({}, now) == []
    elsewhere = {**now, "cpu_features": ["X86_V4"], "libraries": now["libraries"] | {"numpy": "1.0"}}
    found = compare_environments(elsewhere, now)
    assert [line.partition(" was ")[0] for line in found] == ["cpu features", "numpy"]
    lines = replace(REBUILT, environment=tuple(found)).lines()
    assert f"  built elsewhere: numpy was 1.0, is {now['libraries']['numpy']}" in lines


def test_metrics_agree_within_what_rounding_makes() -> None:
    assert agree({"recall": 0.2}, {"recall": 0.201})
    assert not agree({"recall": 0.2}, {"recall": 0.21})
    assert not agree({"recall": 0.2}, {"ndcg": 0.2})


def test_a_file_that_a_later_version_adds_to_a_model_makes_no_other_bundle() -> None:
    models = {"embeddings", "evaluation/embeddings"}
    added = ["embeddings/covariance.npy", "evaluation/embeddings/covariance.npy", "embeddings/model.json"]
    assert not other_files_differ(models, added, set())
    assert other_files_differ(models, [*added, "items.npy"], set())
    assert other_files_differ(models, ["embeddings/vectors.npy"], {"embeddings/vectors.npy"})
