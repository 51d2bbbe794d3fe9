"""How a model lies on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.models.core.storage import FORMAT, ModelFileError, read_model, write_model

ARRAYS = {
    "factors": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.arange(6, dtype=np.int32).reshape(2, 3).T,
    "empty": np.zeros((0, 4), dtype=np.float32),
}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_model(tmp_path / "als", "als", ARRAYS, {"alpha": 1.5, "strength": "log1p"})
    arrays, settings = read_model(tmp_path / "als", "als")
    assert settings == {"alpha": 1.5, "strength": "log1p"}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].tolist() == array.tolist()
    # Workers share the pages: nobody may write to them.
    with pytest.raises(ValueError, match="read-only"):
        arrays["factors"][0, 0] = 9.0


@pytest.mark.parametrize(
    "broken", ["another model", "another format", "no head", "no array", "half an array"]
)
def test_files_that_are_not_this_model_are_refused(tmp_path: Path, broken: str) -> None:
    write_model(tmp_path, "als", ARRAYS, {})
    head = json.loads((tmp_path / "model.json").read_text())
    if broken == "another model":
        head["model"] = "nmf"
    elif broken == "another format":
        head["format"] = FORMAT + 1
    elif broken == "no array":
        (tmp_path / "factors.npy").unlink()
    elif broken == "half an array":
        whole = (tmp_path / "factors.npy").read_bytes()
        (tmp_path / "factors.npy").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "model.json").write_text("" if broken == "no head" else json.dumps(head))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        read_model(tmp_path, "als")
