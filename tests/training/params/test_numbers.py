"""Any number in params.yaml is refused by its name, or can be counted with by whoever reads it."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from database.settings import REPOSITORY
from training.evaluation.ranking import ACCURACY
from training.models.core.bounds import LARGEST, LONGEST, numbers_in
from training.params import Params, ParamsError, load_params
from training.params.operating import METRICS

Place = tuple[str | int, ...]
SHIPPED: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
ODD = (-1, 0, 0.5, 1, 10**6, 1e12, -1e12, 2**31, 2**63, 10**400, 1e308, float("inf"), float("nan"))
NOW = datetime.now(UTC)


def leaves(content: Any, path: Place = ()) -> Iterator[Place]:
    """Where a number stands. Of what is searched, the values are tried by Optuna, not by the platform."""
    if isinstance(content, bool):
        return
    if isinstance(content, int | float):
        yield path
    elif isinstance(content, dict):
        for name, part in content.items():
            yield from leaves(part, (*path, name))
    elif isinstance(content, list):
        for place, part in enumerate(content):
            yield from leaves(part, (*path, place))


NUMBERS = [*(place for place in leaves(SHIPPED) if place != ("seed",)), ("retention", "interactions_days")]


def with_number(path: Place, number: float) -> dict[str, Any]:
    """The shipped params with one number in another's place."""
    section = str(path[0])
    made = SHIPPED | {section: copy.deepcopy(SHIPPED[section])}
    place: Any = made
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = number
    return made


def count_with(section: dict[str, Any]) -> None:
    """What is done with numbers of params: dates are moved by times, the rest is stored and multiplied."""
    for name, value in section.items():
        if isinstance(value, dict):
            count_with(value)
            continue
        unit = name.rpartition("_")[2]
        for number in numbers_in(value):
            assert abs(number) <= LARGEST
            assert np.isfinite(np.float32(number))
            if unit in LONGEST:
                moved = timedelta(**{unit: number})
                assert pd.Timestamp(NOW) - pd.Timedelta(moved) == pd.Timestamp(NOW - moved)


def judge(path: Place, number: float) -> None:
    """Fails where a number is neither refused by its name nor usable."""
    section = str(path[0])
    annotation: Any = Params.model_fields[section].annotation
    kind = TypeAdapter[Any](annotation)
    try:
        checked = kind.validate_python(with_number(path, number)[section])
    except ValidationError as refused:
        # Of what is searched every form that it could have is named; the key comes before that.
        key = path[1:4]
        named = [error["loc"][:3] for error in refused.errors()]
        assert all(place == key[: len(place)] for place in named), (path, number, named)
    else:
        count_with(json.loads(kind.dump_json(checked)))


@pytest.mark.parametrize("path", NUMBERS, ids=lambda path: ".".join(str(part) for part in path))
def test_an_odd_number_is_refused_by_its_name_or_can_be_counted_with(path: Place) -> None:
    for number in ODD:
        judge(path, number)


def test_a_seed_is_a_number_that_generators_take() -> None:
    for number in ODD:
        try:
            params = Params.model_validate(with_number(("seed",), number))
        except ValidationError as refused:
            assert [error["loc"] for error in refused.errors()] == [("seed",)]
        else:
            np.random.default_rng(params.seed)


@settings(max_examples=50, deadline=None)
@given(path=st.sampled_from(NUMBERS), number=st.one_of(st.integers(), st.floats()))
def test_any_number_is_refused_by_its_name_or_can_be_counted_with(path: Place, number: float) -> None:
    judge(path, number)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("retention.interactions_days", 10**12, "at most 100,000"),
        ("retention.snapshots_days", 100_001, "at most 100,000"),
        ("monitoring.cooldown_hours", 1e12, "at most 2,400,000"),
        ("guard.weeks", 10**6, "at most 14,000"),
        ("experiments.attribution_minutes", 10**12, "at most 144,000,000"),
        ("als.factors", 10**6, "less than or equal to 4096"),
        ("nmf.iterations", 10**9, "less than or equal to 1000"),
        ("seed", -1, "greater than or equal to 0"),
        ("gate.judged", ["blend", "rp3beta"], "rp3beta is none of"),
        ("gate.baseline", "nobody", "nobody is none of"),
        ("gate.metric", "ndcg@7", r"ndcg@7 is none of hit_rate@10"),
        ("gate.metric", "accuracy@10", "accuracy@10 is none of"),
        ("blend.tuned", {"als": 1.0, "gru4rec": 1.0}, "gru4rec is none of"),
        ("blend.tuned", {"als": 0.0, "new_items": 0}, "no model has a weight"),
        ("blend.tuned", {}, "no model has a weight"),
    ],
)
def test_what_may_stand_there_is_said(tmp_path: Path, key: str, value: Any, said: str) -> None:
    """Today's installations learn of it when the file is read, not at the end of a night."""
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(with_number(tuple(key.split(".")), value)))
    with pytest.raises(ParamsError, match=f"{key}: .*{said}"):
        load_params(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blend.tuned", {"als": 1.0, "gfcf": 0, "trending": 0.0}),
        ("blend.tuned", {"als": 1.0, "popularity": -0.1}),
        ("blend.tuned", {"new_items": 1.0}),
        ("blend.stale_days", 99_999),
        ("popularity.window_days", 99_999),
        ("retention.snapshots_days", 99_999),
        ("retention.interactions_days", None),
        ("monitoring.max_bundle_age_hours", 999_999),
        ("monitoring.cooldown_hours", 1_000_000),
        ("interactions.weights.skip", 0),
        ("als.regularization", 1e-6),
        ("gate.min_test_users", 0),
    ],
)
def test_what_an_installation_may_have_written_still_loads(tmp_path: Path, key: str, value: Any) -> None:
    """Never, none and nothing: a version that refused them would stop the nights of who wrote them."""
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(with_number(tuple(key.split(".")), value)))
    load_params(path)


def test_the_metrics_that_may_be_judged_by_are_those_that_are_computed() -> None:
    assert set(METRICS) == set(ACCURACY)
