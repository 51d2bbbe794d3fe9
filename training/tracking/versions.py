"""Registered versions as the workspace remembers them: one small file a model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Version:
    """A registered version and the run that made it."""

    name: str
    """As the registry calls the model."""
    version: str
    run_id: str


def load_versions(folder: Path) -> dict[str, Version]:
    """Versions that were written by `save_version`, by model."""
    return {path.stem: Version(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))}


def save_version(folder: Path, model: str, version: Version) -> None:
    """Remember which run and version a model of the workspace got."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model}.json").write_text(json.dumps(asdict(version)) + "\n")
