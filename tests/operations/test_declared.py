"""circus.ini: every process can be started, and every variable that it names is given."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from circus.config import get_config

from database.settings import REPOSITORY, Settings
from operations.environment import layout, process_environment, supervisor_environment
from operations.platform import AIRFLOW_PROCESSES
from operations.supervisor import CONFIGURATION, LAST, Supervisor

PROCESSES = {LAST, "mlflow", "service", *AIRFLOW_PROCESSES}


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    layout(settings).create()
    made = supervisor_environment(settings, {"airflow": "postgresql://a", "mlflow": "postgresql://m"})
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def watchers(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {watcher["name"]: watcher for watcher in get_config(str(CONFIGURATION))["watchers"]}


def test_the_processes_of_the_platform_are_declared(watchers: dict[str, dict[str, Any]]) -> None:
    assert set(watchers) == PROCESSES


def test_compiled_code_is_kept_whatever_the_environment_says(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    read = get_config(str(CONFIGURATION))
    assert {watcher["env"]["PYTHONDONTWRITEBYTECODE"] for watcher in read["watchers"]} == {""}
    command = ["make", "--eval=shown:; @env", "shown"]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert "PYTHONDONTWRITEBYTECODE" not in shown


def test_what_tasks_do_gives_way_to_the_service_and_nothing_else_does(
    watchers: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("airflow", "bentoml", "mlflow", "python"):
        (tmp_path / each).write_text(f"#!{sys.executable}\nimport os; print(os.nice(0))\n")
        (tmp_path / each).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    said = {
        name: subprocess.run(
            shlex.split(watcher["cmd"]), capture_output=True, text=True, check=True
        ).stdout.strip()
        for name, watcher in watchers.items()
    }
    own = os.nice(0)
    lower = {name for name, nice in said.items() if int(nice) == min(own + 5, 19)}
    assert lower == {"airflow-scheduler", "airflow-dag-processor"}
    assert {nice for name, nice in said.items() if name not in lower} == {str(own)}


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_each_process_can_be_started_and_is_kept_alive(
    watchers: dict[str, dict[str, Any]], name: str
) -> None:
    watcher = watchers[name]
    shell, option, script = shlex.split(watcher["cmd"])
    assert (shell, option) == ("sh", "-c")
    words = shlex.split(script)
    assert words[0] == "exec", "the supervised process must be the program, not a shell around it"
    assert words[-1] == "2>&1"
    if words[1] == "nice":
        del words[1:4]
    assert shutil.which(words[1], path=str(Path(sys.executable).parent))
    if words[1:3] == ["python", "-m"]:
        assert find_spec(words[3])
    assert watcher["respawn"]
    assert watcher["max_retry"] == -1
    assert not watcher["autostart"], "operations starts them in their order"
    assert watcher["hooks"]["before_spawn"][0] == "operations.hooks.end_leftovers"
    assert int(watcher["stdout_stream"]["max_bytes"]) * int(watcher["stdout_stream"]["backup_count"]) > 0
    assert watcher["stdout_stream"]["filename"].endswith(f"/logs/{name}.log")


@pytest.mark.slow
def test_airflow_knows_every_option_that_is_set_for_it() -> None:
    from airflow.api_fastapi.auth.managers.simple import simple_auth_manager
    from airflow.configuration import conf

    described = conf.configuration_description
    by_auth_manager = Path(simple_auth_manager.__file__).read_text()
    options = re.findall(r"^AIRFLOW__([A-Z_]+?)__([A-Z_]+) =", CONFIGURATION.read_text(), re.M)
    assert len(options) > 20
    for section, option in options:
        known = described.get(section.lower(), {}).get("options", {})
        assert option.lower() in known or option.lower() in by_auth_manager, (section, option)


def test_no_variable_is_left_open(environment: dict[str, str], watchers: dict[str, dict[str, Any]]) -> None:
    filled = process_environment(environment, CONFIGURATION)
    assert not [name for name, value in filled.items() if "$(circus." in value]
    for watcher in watchers.values():
        assert "$(circus." not in watcher["cmd"]
        assert not re.search(r"\$\(circus\.", " ".join(str(value) for value in watcher["env"].values()))


def test_no_secret_stands_in_a_command_line(
    environment: dict[str, str], watchers: dict[str, dict[str, Any]]
) -> None:
    commands = " ".join(watcher["cmd"] for watcher in watchers.values())
    assert not [
        name
        for name, value in environment.items()
        if name.endswith(("_SECRET", "_KEY")) and value in commands
    ]


def test_airflow_and_mlflow_listen_on_this_machine_only(
    environment: dict[str, str], watchers: dict[str, dict[str, Any]]
) -> None:
    assert "--host 127.0.0.1 " in watchers["mlflow"]["cmd"]
    assert process_environment(environment, CONFIGURATION)["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_mlflow_answers_to_names_of_this_machine_only(watchers: dict[str, dict[str, Any]]) -> None:
    words = watchers["mlflow"]["cmd"].split()
    hosts = words[words.index("--allowed-hosts") + 1].split(",")
    assert [host.rpartition(":")[0] for host in hosts] == ["localhost", "127.0.0.1"]


def test_a_long_home_keeps_the_socket_short_enough(settings: Settings, tmp_path: Path) -> None:
    deep = settings.model_copy(update={"home": tmp_path / ("x" * 120)})
    assert len(layout(deep).endpoint) < 107
    assert layout(deep).endpoint != layout(settings).endpoint
    layout(deep).create()
    assert layout(deep).sockets.is_dir()
    assert layout(deep).sockets.stat().st_mode & 0o077 == 0
    Supervisor(layout(deep)).stop()
    assert not layout(deep).sockets.exists()


def test_a_task_waits_for_an_api_server_that_is_slow_to_start_or_to_answer(
    environment: dict[str, str],
) -> None:
    """Each attempt of a task that gives up before it begins is one less for the night."""
    filled = process_environment(environment, CONFIGURATION)
    assert float(filled["AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT"]) >= 30
    assert int(filled["AIRFLOW__WORKERS__EXECUTION_API_RETRIES"]) >= 8
