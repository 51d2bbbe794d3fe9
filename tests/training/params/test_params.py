"""params.yaml: the one in the repository is valid, and mistakes in one are named."""

import re
from pathlib import Path

import pytest

from database.settings import REPOSITORY
from training.models.als import AlsConfig
from training.models.nmf import NmfConfig
from training.params import ParamsError, learned_sections, load_params, params_of

REAL = REPOSITORY / "params.yaml"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = REAL.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_repository_has_the_documents_settings() -> None:
    params = load_params(REAL)

    assert params.section(AlsConfig).factors == 128
    assert params.section(NmfConfig).factors == 50
    assert params.interactions.weights.like == 5.0
    assert params.trending.decay_rate == 0.95
    assert params.digest() == load_params(REAL).digest()


def test_a_bundle_of_before_a_key_was_learned_by_its_default() -> None:
    """Else the first night after an update would train again, though nothing is new."""
    today = load_params(REAL).model_dump(mode="json")
    split = {key: value for key, value in today["split"].items() if key != "max_test_users"}
    assert learned_sections(params_of({"params": today | {"split": split}})) == learned_sections(today)
    changed = today | {"split": split | {"test_days": 7}}
    assert learned_sections(params_of({"params": changed})) != learned_sections(today)
    other = {"als": {"factor_count": 3}}
    assert params_of({"params": other}) == other


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"als\.factor_count"):
        load_params(edited(tmp_path, "  factors: 128", "  factors: 128\n  factor_count: 3"))


def test_a_missing_key_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"trending\.window_days"):
        load_params(edited(tmp_path, "  window_days: 30\n", ""))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"nowhere\.yaml"):
        load_params(tmp_path / "nowhere.yaml")


def test_a_serving_weight_changes_nothing_of_what_is_learned(tmp_path: Path) -> None:
    whole = load_params(REAL)

    assert (
        load_params(edited(tmp_path, "  max_smoke_ms: 50", "  max_smoke_ms: 60")).digest() == whole.digest()
    )
    assert load_params(edited(tmp_path, "  factors: 50", "  factors: 51")).digest() != whole.digest()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (
            "interactions_days: null",
            "interactions_days: 0",
            "retention.interactions_days",
        ),  # deletes everything
        ("interactions_days: null", "interactions_days: -30", "retention.interactions_days"),
        (
            "hourly_deadline_minutes: 30",
            "hourly_deadline_minutes: .inf",
            "monitoring.hourly_deadline_minutes",
        ),
        ("training_deadline_hours: 4", "training_deadline_hours: 0", "monitoring.training_deadline_hours"),
    ],
)
def test_a_value_that_would_do_harm_is_refused_by_name(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(key)):
        load_params(edited(tmp_path, old, new))
