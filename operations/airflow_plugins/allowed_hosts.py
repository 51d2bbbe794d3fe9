"""Airflow's API server answers only to known names: a web page could point its own name at this machine, and
fetch an administrator's token (DNS rebinding).

Airflow loads this file by itself (AIRFLOW__CORE__PLUGINS_FOLDER).
"""

from airflow.plugins_manager import AirflowPlugin
from starlette.middleware.trustedhost import TrustedHostMiddleware

from database.settings import Settings, get_settings

_OWN = ("localhost", "127.0.0.1", "airflow-api-server")
"""This machine, and how the containers of Compose call the server."""


def patterns(settings: Settings) -> list[str]:
    """The names as Starlette reads them, where a leading `*.` stands for every host below."""
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    return [*_OWN, *(f"*{name}" if name.startswith(".") else name for name in named)]


class AllowedHosts(AirflowPlugin):
    """Puts the check before everything that the API server answers."""

    name = "shortlist_allowed_hosts"
    fastapi_root_middlewares = [  # noqa: RUF012 - Airflow's own shape
        {
            "name": "allowed hosts",
            "middleware": TrustedHostMiddleware,
            "args": [],
            "kwargs": {"allowed_hosts": patterns(get_settings()), "www_redirect": False},
        }
    ]
