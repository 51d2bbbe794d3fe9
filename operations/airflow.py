"""A client of Airflow's REST API, as far as starting the platform needs it."""

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from database.settings import Settings

FINAL = frozenset({"success", "failed"})
"""Final states of a DAG run."""

COMPONENTS = frozenset({"metadatabase", "scheduler", "triggerer", "dag_processor"})
REQUEST_SECONDS = 20


class AirflowApi:
    """A session with Airflow's API. Methods raise httpx.HTTPError on failure."""

    def __init__(self, settings: Settings) -> None:
        self.address = settings.airflow_address
        self._settings = settings
        self._client = httpx.Client(base_url=self.address, timeout=REQUEST_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def healthy(self, within: float = 0) -> bool:
        """Whether every component is up and has sent a heartbeat recently.

        A busy machine is asked again for `within` seconds, one on which nothing listens only once.
        """
        tries = Retrying(
            stop=stop_after_delay(within),
            wait=wait_fixed(1),
            retry=retry_if_result(lambda healthy: not healthy)
            | retry_if_exception_type((httpx.TimeoutException, httpx.ReadError)),
            retry_error_callback=lambda _: False,
        )
        try:
            return bool(tries(self._healthy))
        except httpx.HTTPError:
            return False

    def _healthy(self) -> bool:
        reply = self._client.get("/api/v2/monitor/health", timeout=3)
        if reply.status_code != httpx.codes.OK:
            return False
        states = reply.json()
        return all((states.get(name) or {}).get("status") == "healthy" for name in COMPONENTS)

    def sign_in(self) -> None:
        """Get a token, with user name and password if they are set; without them everyone is an admin."""
        if self._settings.airflow_username and self._settings.airflow_password:
            body = {
                "username": self._settings.airflow_username,
                "password": self._settings.airflow_password.get_secret_value(),
            }
            reply = self._client.post("/auth/token", json=body)
        else:
            reply = self._client.get("/auth/token")
        reply.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def knows(self, dag_id: str) -> bool:
        """Whether Airflow has parsed the DAG."""
        return self._client.get(f"/api/v2/dags/{dag_id}").status_code == httpx.codes.OK

    def is_paused(self, dag_id: str) -> bool | None:
        """Whether the DAG is switched off; None when Airflow does not know it."""
        reply = self._client.get(f"/api/v2/dags/{dag_id}")
        if reply.status_code == httpx.codes.NOT_FOUND:
            return None
        reply.raise_for_status()
        return bool(reply.json()["is_paused"])

    def unfinished_run(self, dag_id: str) -> str | None:
        """Id of a queued or running run, if there is one."""
        return self._one_run(dag_id, {"state": ["queued", "running"]})

    def running_run(self, dag_id: str) -> str | None:
        """Id of a run that has begun and not ended, if there is one."""
        return self._one_run(dag_id, {"state": ["running"]})

    def first_run(self, dag_id: str) -> str | None:
        """Id of the run that was made before all others, if there is one."""
        return self._one_run(dag_id, {"order_by": "id"})

    def _one_run(self, dag_id: str, params: dict[str, Any]) -> str | None:
        runs = self._get(f"/api/v2/dags/{dag_id}/dagRuns", {**params, "limit": "1"})["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else None

    def trigger(
        self,
        dag_id: str,
        note: str,
        conf: Mapping[str, Any],
        *,
        run_id: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Queue a run of the DAG with a configuration; returns the run's id.

        `at`, not later than now, is the logical date that Airflow shows for the run.
        """
        body: dict[str, Any] = {"logical_date": None, "note": note, "conf": dict(conf)}
        if run_id is not None:
            body["dag_run_id"] = run_id
        if at is not None:
            body |= {"logical_date": at.isoformat(), "run_after": at.isoformat()}
        reply = self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        reply.raise_for_status()
        return str(reply.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        return str(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All tasks of a run, with `task_id`, `state`, `duration` (seconds) and `try_number`."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self._get(path, {"limit": "100"})["task_instances"])

    def failure(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """The exception that a task attempt raised, taken from its log; empty if the log has none."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        lines = self._get(path, {"full_content": "true"})["content"]
        details = [
            detail for line in lines if isinstance(line, dict) for detail in line.get("error_detail") or []
        ]
        return f"{details[-1]['exc_type']}: {details[-1]['exc_value']}" if details else ""

    def _get(self, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        reply = self._client.get(path, params=params)
        reply.raise_for_status()
        body: dict[str, Any] = reply.json()
        return body
