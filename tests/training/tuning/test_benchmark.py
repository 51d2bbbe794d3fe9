"""The benchmark command on files with a right answer, and its metrics against LightGCN's own formulas."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from training.tuning.benchmark import main
from training.tuning.pairs_file import read_pairs
from training.tuning.train_test import Problem, cut_validation, open_problem

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """60 users of two kinds over 40 items: each has 12 items of its kind, 3 more are the test."""
    generator = np.random.default_rng(5)
    train, test = [], []
    for user in range(60):
        items = generator.permutation(20)[:15] + 20 * (user % 2)
        train.append(" ".join(map(str, [user, *items[:12]])))
        test.append(" ".join(map(str, [user, *items[12:]])))
    paths = tmp_path / "train.txt", tmp_path / "test.txt"
    for path, lines in zip(paths, (train, test), strict=True):
        path.write_text("\n".join(lines) + "\n")
    return paths


def run(files: tuple[Path, Path], *options: str) -> Result:
    train, test = files
    return CliRunner().invoke(main, ["--train", str(train), "--test", str(test), *options])


def measured(files: tuple[Path, Path], *options: str) -> dict[str, Any]:
    output = files[0].parent / "found.json"
    result = run(files, *options, "--json", str(output))
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def test_a_kind_is_learned(files: tuple[Path, Path]) -> None:
    found = measured(files, "--model", "ease", "--k", "8")
    assert found["users"] == 60
    assert found["recall@8"]["value"] == 1.0  # 20 items of the kind less the 12 seen: all of them
    assert found["fit_seconds"] >= 0 and found["peak_memory_mb"] > 1


def test_the_numbers_are_those_of_lightgcns_formulas(files: tuple[Path, Path]) -> None:
    found = measured(files, "--model", "popularity", "--k", "20")
    train, test = (
        {
            int(line.split()[0]): [int(item) for item in line.split()[1:]]
            for line in path.read_text().splitlines()
        }
        for path in files
    )
    counts = np.bincount(np.concatenate(list(train.values())), minlength=40)
    order = {str(item): position for position, item in enumerate(sorted(map(str, range(40))))}
    recalls, gains = [], []
    for user, answers in test.items():
        ranked = sorted(
            (item for item in range(40) if item not in train[user]),
            key=lambda item: (-counts[item], order[str(item)]),
        )[:20]
        hits = np.isin(ranked, answers)
        recalls.append(hits.sum() / len(answers))
        best = sum(1 / np.log2(place + 2) for place in range(min(20, len(answers))))
        gains.append((hits / np.log2(np.arange(20) + 2)).sum() / best)
    assert found["recall@20"]["value"] == pytest.approx(np.mean(recalls))
    assert found["ndcg@20"]["value"] == pytest.approx(np.mean(gains))


@pytest.mark.parametrize("model", ["als", "gfcf"])
def test_the_same_seed_gives_the_same_numbers_and_values(files: tuple[Path, Path], model: str) -> None:
    one, other = (measured(files, "--model", model, "--tune", "--trials", "3") for _ in range(2))
    timed = {"fit_seconds", "tuning_seconds", "seconds", "peak_memory_mb"}
    assert {key: one[key] for key in one.keys() - timed} == {key: other[key] for key in other.keys() - timed}
    assert one["trials"] == 3


def test_the_blend_learns_its_weights(files: tuple[Path, Path]) -> None:
    found = measured(files, "--model", "blend", "--tune", "--trials", "1", "--k", "8")
    assert found["values"]["weights"]
    assert found["recall@8"]["value"] == 1.0


def test_bad_lines_are_named_and_counted_or_refused(files: tuple[Path, Path]) -> None:
    files[0].write_text(files[0].read_text() + "oops 3\n")
    named = run(files, "--model", "popularity")
    assert named.exit_code == 0
    assert "line 61: 'oops' is not a whole number" in named.output
    assert measured(files, "--model", "popularity")["train_file"]["bad_lines"] == 1
    refused = run(files, "--model", "popularity", "--strict")
    assert refused.exit_code == 1 and "1 bad lines" in refused.output


def test_what_cannot_be_measured_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    same = run((files[0], files[0]), "--model", "popularity")
    assert same.exit_code == 1 and "all test pairs are also in the train file" in same.output
    assert run(files, "--model", "als", "--tune").exit_code == 2
    assert run(files, "--model", "als", "--trials", "2").exit_code == 2
    wrong = run(files, "--model", "als", "--set", "colour=red")
    assert wrong.exit_code == 1 and "colour" in wrong.output


def test_a_user_and_an_item_unknown_to_train_count_all_the_same(files: tuple[Path, Path]) -> None:
    known = measured(files, "--model", "ease", "--k", "8")
    files[1].write_text(files[1].read_text() + "77 99\n")
    found = measured(files, "--model", "ease", "--k", "8")
    assert (found["users"], found["users_without_train_items"]) == (61, 1)
    assert found["recall@8"]["value"] == pytest.approx(known["recall@8"]["value"] * 60 / 61)


def test_rows_with_ratings_can_be_cut(files: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = tmp_path / "rows.csv", tmp_path / "rows_test.csv"
    train.write_text(
        "user,item,rating,time\n" + "".join(f"u{i % 9},i{i % 7},{i % 5 + 1},{i}\n" for i in range(90))
    )
    test.write_text("".join(f"u{i},i9,5,200\nu{i},i{i % 7},1,200\n" for i in range(9)))
    found = measured((train, test), "--model", "popularity", "--min-rating", "4")
    assert found["test_pairs"] == 9


def timed(folder: Path, train: Iterable[int], test: Iterable[int]) -> Problem:
    """Five users take turns, each time with a new item."""
    for name, times in (("train.csv", train), ("test.csv", test)):
        (folder / name).write_text("".join(f"u{time % 5},i{time},1,{time}\n" for time in times))
    return open_problem(read_pairs(folder / "train.csv"), read_pairs(folder / "test.csv"))


class TestValidationPart:
    def test_is_drawn_for_each_user_and_disjoint(self, files: tuple[Path, Path]) -> None:
        problem = open_problem(*(read_pairs(path) for path in files))
        learned, test = cut_validation(problem, 0.25, 1)
        seen = problem.train.interactions
        assert learned.interactions.nnz + test.truth.nnz == seen.nnz
        assert not learned.interactions.multiply(problem.truth).nnz
        assert np.diff(test.truth.indptr).tolist() == [3] * 60

    def test_is_the_latest_when_the_test_is_later_than_the_train_file(self, tmp_path: Path) -> None:
        problem = timed(tmp_path, train=range(100), test=range(100, 110))
        learned, test = cut_validation(problem, 0.1, 1)
        assert learned.events.time.max() == 89
        assert test.truth.nnz == 10

    def test_is_drawn_for_each_user_when_the_test_lies_among_the_train_file(self, tmp_path: Path) -> None:
        problem = timed(tmp_path, train=[n for n in range(100) if n % 10 < 8], test=range(8, 100, 10))
        learned, test = cut_validation(problem, 0.25, 1)
        assert np.diff(test.truth.indptr).min() >= 2 and test.histories.shape[0] == 5
        assert test.user_slices()["warm_users"].all()
        pairs = set(zip(learned.events.user.tolist(), learned.events.item.tolist(), strict=True))
        assert pairs == set(zip(*(axis.tolist() for axis in learned.interactions.nonzero()), strict=True))
