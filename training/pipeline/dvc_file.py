"""dvc.yaml, made from the registry, from what each stage's code imports, and from the lock of packages.

`python -m training.pipeline.dvc_file` writes the one of this checkout; a test holds it up to date. It needs
grimp, which comes with the lock.
"""

from pathlib import Path
from typing import Any

import click
import yaml

from database.settings import REPOSITORY
from training.models.registry import names

_HEAD = """\
# What is learned, from what, with which params. `dvc repro` and the DAG daily_training run the same
# functions and write the same files. data/snapshot is tracked beside this file (data/snapshot.dvc).
# Written by `python -m training.pipeline.dvc_file`: edit that file, or the registry of models.
"""

_ROOMS = ("training", "data_checks", "database")

_STAGES = ("validate", "prepare", "train", "evaluate", "bundle")

_LOCK = "requirements.txt"

_NOT_CODE = ("training.params", "database.settings")
"""Left out of the dependencies, with what they import: what only reads params.yaml (each stage names its
params), or the environment."""


def dvc_file() -> str:
    """The content of dvc.yaml."""
    learned, code = names(scope="bundle"), _code_of_stages()
    model_files = {f"training/models/{name}.py" for name in names()}
    shared = [file for file in code["train"] if file not in model_files]
    stages: dict[str, Any] = {
        "validate": {
            "deps": ["data/snapshot", "data_checks/suites", _LOCK, *code["validate"]],
            "outs": [{"data/validation/result.json": {"persist": True}}],
        },
        "prepare": {
            "deps": ["data/snapshot", "data/validation/result.json", _LOCK, *code["prepare"]],
            "params": ["interactions", "embeddings.model"],
            "outs": ["data/prepared"],
        },
        "evaluate": {
            "deps": [
                "data/prepared",
                "data/candidates",
                *(f"data/evaluation/{name}" for name in learned),
                _LOCK,
            ]
            + code["evaluate"],
            "params": ["seed", "split", "evaluation", "gate", "blend.tuned", *names(scope="evaluation")],
            "outs": [f"data/evaluation/{name}" for name in (*names(scope="evaluation"), "blend", "summary")],
        },
        "bundle": {
            "deps": ["data/prepared", "data/candidates", "data/models", "data/evaluation/summary", _LOCK]
            + code["bundle"],
            "params": [{"params.yaml": None}],  # all of them: the manifest holds them
            "outs": ["data/bundle"],
        },
    }
    stages = {name: {"cmd": _command(name), **stage} for name, stage in stages.items()}
    stages["learn"] = {
        "foreach": [*learned],
        "do": {
            "cmd": _command("${item}"),
            "deps": ["data/prepared", _LOCK, "training/models/${item}.py", *shared],
            "params": ["seed", "split", "evaluation", "${item}"],
            "outs": [f"data/{folder}/${{item}}" for folder in ("candidates", "models", "evaluation")],
        },
    }
    order = ("validate", "prepare", "learn", "evaluate", "bundle")
    content = {"stages": {name: stages[name] for name in order}}
    return _HEAD + yaml.safe_dump(content, sort_keys=False, width=110)


def _command(stage: str) -> str:
    return f"python -m training.pipeline.stages {stage}"


def _code_of_stages() -> dict[str, list[str]]:
    """Stage → the files of this checkout that it runs: its module and all that this imports, sorted.

    Imports within functions count. Models are found by name at run time; the files that any of them imports
    are counted to each stage that reads the registry.
    """
    import grimp

    graph = grimp.build_graph(*_ROOMS, exclude_type_checking_imports=True, cache_dir=None)

    def closure(*modules: str) -> set[str]:
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in found and module not in _NOT_CODE:
                found.add(module)
                waiting += graph.find_modules_directly_imported_by(module)
        return found

    of_models = closure(*(f"training.models.{name}" for name in names()))
    found = {}
    for stage in _STAGES:
        modules = closure(f"training.pipeline.stages.{stage}")
        if "training.models.registry" in modules:
            modules |= of_models
        found[stage] = sorted(_path(each) for each in modules)
    return found


def _path(module: str) -> str:
    """The file of a module, relative to the checkout."""
    path = Path(*module.split("."))
    return f"{path}.py" if (REPOSITORY / f"{path}.py").is_file() else f"{path}/__init__.py"


@click.command()
def main() -> None:
    """Write dvc.yaml from the registry of models and the stages."""
    (REPOSITORY / "dvc.yaml").write_text(dvc_file())


if __name__ == "__main__":
    main()
