"""The executor's workers have a task's libraries in memory, and nothing that a change would not reach."""

import subprocess
import sys

import pytest

from database.settings import REPOSITORY
from operations.executor import LIBRARIES, PreloadedLocalExecutor

STARTED = """
import multiprocessing, sys, threading
multiprocessing.set_start_method(sys.argv[1])
from operations.executor import PreloadedLocalExecutor
if __name__ == "__main__":
    before = set(sys.modules)
    executor = PreloadedLocalExecutor(parallelism=1)
    executor.start()
    executor.end()
    print(*sorted(set(sys.modules) - before))
    print(*[thread.name for thread in threading.enumerate()])
"""


def started(method: str, airflow_home: str) -> tuple[set[str], list[str]]:
    """Modules that the start of the executor loaded, and the threads that its workers were forked beside."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED, method],
        cwd=REPOSITORY,
        env={
            "PATH": "/usr/bin:/bin",
            "AIRFLOW_HOME": airflow_home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    *_, modules, threads = done.stdout.strip().splitlines()
    return set(modules.split()), threads.split()


def test_workers_are_forked_with_the_libraries_and_without_code_of_this_repository(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    modules, threads = started("fork", str(tmp_path_factory.mktemp("airflow")))
    assert set(LIBRARIES) <= modules
    ours = {folder.name for folder in REPOSITORY.iterdir() if (folder / "__init__.py").exists()}
    assert "training" in ours
    assert not {name for name in modules if name.split(".")[0] in ours}
    assert threads == ["MainThread"]


def test_every_installation_runs_its_tasks_by_it() -> None:
    named = f"{PreloadedLocalExecutor.__module__}.{PreloadedLocalExecutor.__qualname__}"
    settings = (REPOSITORY / "circus.ini").read_text(), (REPOSITORY / "docker-compose.yml").read_text()
    assert f"\nAIRFLOW__CORE__EXECUTOR = {named}\n" in settings[0]
    assert f"\n  AIRFLOW__CORE__EXECUTOR: {named}\n" in settings[1]


def test_workers_that_are_not_forked_get_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    modules, _ = started("spawn", str(tmp_path_factory.mktemp("airflow")))
    assert not set(LIBRARIES) & modules
