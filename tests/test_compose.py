"""docker-compose.yml names only what exists in the code, and Compose would read it.

Where Docker Compose 2 is installed it reads the file itself, which needs no engine; everywhere the file
is read as YAML, and each name is looked up where it is defined.
"""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from database.settings import REPOSITORY, Settings

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("*.Dockerfile"))
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SECRET = re.compile(r"PASSWORD|SECRET|KEY(?!ED)|TOKEN|_CONN$|DATABASE_URL|STORE_URI")
SECRET_FREE = re.compile(r"PASSWORDS_FILE$|__FILE$|NEED_KEY$|PUBLIC_KEYS$")  # a public key stands in a page


def environment() -> dict[str, str]:
    found: dict[str, str] = {}
    for service in SERVICES.values():
        found |= {name: str(value) for name, value in service.get("environment", {}).items()}
    return found


def words(service: dict[str, Any]) -> list[str]:
    command = service.get("command", [])
    return command.split() if isinstance(command, str) else [str(part) for part in command]


@pytest.mark.slow
def test_compose_would_read_it() -> None:
    """By the Compose specification's own schema, which check-jsonschema brings along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    file = str(REPOSITORY / "docker-compose.yml")
    checked = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture(scope="module")
def compose() -> list[str]:
    """The command of Docker Compose 2, where it is installed."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            told = subprocess.run(
                [*command, "version", "--short"], capture_output=True, text=True, check=False
            )
            if told.returncode == 0 and int(told.stdout.lstrip("v").partition(".")[0]) >= 2:
                return command
    pytest.skip("no Docker Compose 2 here")


def read_by(
    compose: list[str], environment: dict[str, str], *options: str
) -> "subprocess.CompletedProcess[str]":
    """The file as Compose reads it, as JSON; no file of settings beside it counts."""
    files = ["--file", "docker-compose.yml", "--env-file", os.devnull]
    return subprocess.run(
        [*compose, *files, *options, "config", "--format", "json"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


REQUIRED = set(re.findall(r"\$\{(\w+):\?", (REPOSITORY / "docker-compose.yml").read_text()))


def test_compose_reads_it_and_names_what_is_not_set(compose: list[str]) -> None:
    given = {name: f"value-of-{name}" for name in REQUIRED}
    read = read_by(compose, given)
    assert read.returncode == 0, read.stderr
    started = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert set(json.loads(read.stdout)["services"]) == started
    assert not {name for name in REQUIRED if "GRAFANA" in name}, (
        "who starts no Grafana has no password for it"
    )
    for name in REQUIRED:
        refused = read_by(compose, {key: value for key, value in given.items() if key != name})
        assert refused.returncode != 0 and name in refused.stderr


def test_compose_passes_the_settings_on(compose: list[str]) -> None:
    told = {*REQUIRED, *offered()} - FIXED - PUBLISHED.keys()
    given = {name: f"value-of-{name}" for name in told | {"AIRFLOW_PASSWORD"}}
    ports = {name: str(7000 + place) for place, name in enumerate(PUBLISHED)}
    read = read_by(compose, given | ports, "--profile", "monitoring")
    assert read.returncode == 0, read.stderr
    services = json.loads(read.stdout)["services"]
    assert set(services) == set(SERVICES)
    for name in set(offered()) - FIXED - PUBLISHED.keys():
        for reader in READ_BY.get(name, ("service",)):
            assert given[name] in services[reader]["environment"][name], (name, reader)
    for name, reader in PUBLISHED.items():
        assert [port["published"] for port in services[reader]["ports"]] == [ports[name]]


def test_the_parts_of_the_platform_are_there() -> None:
    wanted = {"postgres", "mlflow", "service", "prometheus", "grafana", "airflow-init", "airflow-scheduler"}
    assert wanted | {"airflow-dag-processor", "airflow-triggerer", "airflow-api-server"} <= SERVICES.keys()
    assert SERVICES["postgres"]["image"].startswith("pgvector/")
    assert {name for name, one in SERVICES.items() if "profiles" in one} == {"prometheus", "grafana"}
    assert SERVICES["service"]["deploy"]["replicas"] > 1 and "container_name" not in SERVICES["service"]


def test_only_known_keys_are_used() -> None:
    known = {
        *("image", "build", "restart", "init", "command", "environment", "volumes", "depends_on", "ports"),
        *("healthcheck", "profiles", "deploy", "shm_size", "secrets", "cpu_shares"),
    }
    for name, service in SERVICES.items():
        assert service.keys() <= known, name
        assert "image" in service
        assert service.get("restart") in ("unless-stopped", "on-failure")
    plain = {key for key in COMPOSE if not key.startswith("x-")}
    assert plain == {"services", "volumes", "secrets"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_runs_is_checked_and_what_it_needs_exists(name: str) -> None:
    service = SERVICES[name]
    if service["restart"] == "unless-stopped":
        check = service["healthcheck"]
        assert check.keys() >= {"test", "interval", "timeout", "retries"} and check["test"][0] in (
            "CMD",
            "CMD-SHELL",
        )
    for needed, how in service.get("depends_on", {}).items():
        assert needed in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed]
        else:
            assert SERVICES[needed]["restart"] == "on-failure"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        exists = (REPOSITORY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        assert exists, source


def test_no_secret_stands_in_a_file() -> None:
    for name, value in environment().items():
        if SECRET.search(name) and not SECRET_FREE.search(name):
            assert re.search(r"\$\{\w+:\?[^}]+\}", value), name
    for path in [REPOSITORY / "docker-compose.yml", *(REPOSITORY / "monitoring").rglob("*"), *DOCKERFILES]:
        if path.is_file():
            assert not re.search(r"(?i)password\s*[:=]\s*[\"']?\w+[\"']?$", path.read_text(), re.M), path
    assert ":?" in SERVICES["service"]["environment"]["SHORTLIST_API_KEYS"]
    assert COMPOSE["secrets"] == {
        "metrics_key": {"environment": "SHORTLIST_METRICS_KEY"},
        "grafana_password": {"environment": "GRAFANA_PASSWORD"},
    }


def test_databases_are_reached_where_they_are_made() -> None:
    made = (REPOSITORY / "docker" / "databases.sql").read_text()
    for value in environment().values():
        for database in re.findall(r"@postgres:5432/(\w+)", value):
            assert (
                database == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
                or f"database {database};" in made
            )


@pytest.mark.slow
def test_every_setting_is_one_that_the_code_reads() -> None:
    from airflow.configuration import conf

    aliases = {field.alias or f"SHORTLIST_{name.upper()}" for name, field in Settings.model_fields.items()}
    described = conf.configuration_description
    for name in environment():
        if name.startswith("SHORTLIST_") or name == "DATABASE_URL":
            assert name in aliases, name
        elif name.startswith("AIRFLOW__"):
            _, section, key = name.lower().split("__")
            known = key in described.get(section, {}).get("options", {})
            assert known or _simple_auth(key), name


def _simple_auth(key: str) -> bool:
    """Options of an auth manager are described by it, not by Airflow's own file."""
    from airflow.api_fastapi.auth.managers.simple import simple_auth_manager

    return key in Path(simple_auth_manager.__file__).read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_is_started_as_it_can_be() -> None:
    import mlflow.environment_variables as variables
    from mlflow.cli import cli

    server: Any = cli.commands["server"]
    options = {option for parameter in server.params for option in parameter.opts}
    by_environment = {str(parameter.envvar) for parameter in server.params}
    command = words(SERVICES["mlflow"])
    assert command[:2] == ["mlflow", "server"]
    assert {word.split("=")[0] for word in command[2:]} <= options
    for name in SERVICES["mlflow"]["environment"]:
        assert name in by_environment or hasattr(variables, name) or name == "MLFLOW_DISABLE_TELEMETRY", name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_exists(name: str) -> None:
    command = words(OURS[name])
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2]) is not None
        assert importlib.util.find_spec(f"{command[2]}.__main__") or command[2].count(".") > 0
    elif command[0] == "bentoml":
        from bentoml_cli.serve import build_serve_command

        module, name_of_service = command[2].split(":")
        found = importlib.util.find_spec(module)
        assert found is not None and found.origin is not None
        tree = ast.parse(Path(found.origin).read_text())
        assert name_of_service in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        group: Any = build_serve_command()
        options = {option for parameter in group.commands["serve"].params for option in parameter.opts}
        assert {word for word in command if word.startswith("--")} <= options
    else:
        commands = re.findall(r"airflow ([a-z-]+)(?: ([a-z]+))?", " ".join(command))
        assert commands or command[0] == "mlflow"
        from airflow.cli.cli_config import core_commands

        known: dict[str, Any] = {one.name: one for one in core_commands}
        for first, second in commands:
            assert first in known
            if hasattr(known[first], "subcommands"):
                assert second in {one.name for one in known[first].subcommands}


def test_ports_and_paths_are_those_of_the_code() -> None:
    from serving.api.auth import ADMINISTRATION

    prometheus = yaml.safe_load((REPOSITORY / "monitoring" / "prometheus.yml").read_text())
    (scrape,) = prometheus["scrape_configs"]
    assert scrape["metrics_path"] == ADMINISTRATION
    assert scrape["dns_sd_configs"] == [{"names": ["service"], "type": "A", "port": 3000}]
    service = SERVICES["service"]
    assert service["command"][-1] == service["environment"]["SHORTLIST_SERVICE_PORT"] == "3000"
    assert ":3000/readyz" in service["healthcheck"]["test"][-1]
    assert "/api/v2/monitor/health" in SERVICES["airflow-api-server"]["healthcheck"]["test"][-1]
    rules = [one.split(":")[1] for one in SERVICES["prometheus"]["volumes"] if "alerts" in one]
    assert prometheus["rule_files"] == rules


def test_every_variable_to_set_is_a_setting_or_told_of() -> None:
    settings = {
        field.alias or f"SHORTLIST_{name.upper()}": field.default
        for name, field in Settings.model_fields.items()
    }
    told = (REPOSITORY / "docs" / "monitoring.md").read_text()
    text = (REPOSITORY / "docker-compose.yml").read_text()
    used = re.findall(r"\$\{(\w+)(?::([-?])([^}]*))?\}", text)
    assert len(used) > 10
    for name, kind, default in used:
        if name in settings and kind == "-":
            assert default == str("" if settings[name] is None else settings[name]), name
        assert name in settings or f"`{name}`" in told, name


FIXED = {
    *("SHORTLIST_HOME", "SHORTLIST_WORKSPACE", "SHORTLIST_INBOX"),  # folders of the image
    *("DATABASE_URL", "MLFLOW_TRACKING_URI", "SHORTLIST_AIRFLOW_URL"),  # containers beside these
    *("SHORTLIST_AIRFLOW_USERNAME", "SHORTLIST_AIRFLOW_PASSWORD"),
    *("SHORTLIST_SERVICE_HOST", "SHORTLIST_SERVICE_PORT"),  # inside; SHORTLIST_SERVICE_PORTS are published
    "SHORTLIST_ALLOW_PUBLIC_WITHOUT_KEYS",  # keys are required
}
"""Settings that Compose itself decides."""
PUBLISHED = {"SHORTLIST_AIRFLOW_PORT": "airflow-api-server", "SHORTLIST_MLFLOW_PORT": "mlflow"}
TASKS = ("airflow-scheduler",)
READ_BY = {
    "MLFLOW_EXPERIMENT_NAME": TASKS,
    "SHORTLIST_WEBHOOK_URL": TASKS,
    "SHORTLIST_LOG_LEVEL": ("service", *TASKS, "schema"),
}
"""Who reads a setting; every other is the service's."""


def offered() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.M)


def test_the_example_offers_every_setting() -> None:
    names = {field.alias or f"SHORTLIST_{name.upper()}" for name, field in Settings.model_fields.items()}
    assert set(offered()) == names


@pytest.mark.parametrize("name", offered())
def test_a_setting_of_the_example_reaches_who_reads_it(name: str) -> None:
    if name in FIXED:
        return
    if name in PUBLISHED:
        assert any(f"${{{name}:-" in port for port in SERVICES[PUBLISHED[name]]["ports"])
        return
    for reader in READ_BY.get(name, ("service",)):
        given = str(SERVICES[reader]["environment"].get(name, ""))
        assert re.search(r"\$\{" + name + r":[-?]", given), f"{reader} does not get {name}"


def test_what_is_published_by_another_port_is_answered_there() -> None:
    (allowed,) = [word for word in words(SERVICES["mlflow"]) if word.startswith("--allowed-hosts=")]
    for host in ("localhost", "127.0.0.1"):
        assert f"{host}:${{SHORTLIST_MLFLOW_PORT:-5000}}" in allowed
    assert "127.0.0.1:5000," in allowed, "the health check asks inside"
    assert "mlflow:5000" in allowed


def test_the_database_is_ready_when_it_takes_connections_from_others() -> None:
    """The server that initdb starts listens on its socket only."""
    assert "pg_isready --host" in SERVICES["postgres"]["healthcheck"]["test"][1]
