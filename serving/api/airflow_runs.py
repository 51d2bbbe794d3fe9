"""Airflow's REST API, as far as training needs it: start a run of a DAG, and see what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from database.settings import Settings
from serving.errors import NotFoundError, ServingError

TRAINING_DAG = "daily_training"
MONITORING_DAG = "monitoring"
_SECONDS = 10.0
_WAITING = "queued"


class AirflowUnavailableError(ServingError):
    """Airflow does not answer, or not as it should: no run was started."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"Airflow is not reachable at {address}: {reason}")
        self.address = address
        self.reason = reason


class TrainingPausedError(ServingError):
    """Airflow would take the run and never start it: its DAG is paused."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{TRAINING_DAG} is paused in Airflow: switch it on at {address}/dags/{TRAINING_DAG}"
        )


class TrainingUnknownError(AirflowUnavailableError):
    """Airflow has no such DAG: it was deleted in the UI, or its file can't be read."""

    def __init__(self, address: str) -> None:
        super().__init__(address, "no DAG")
        self.args = (
            f"Airflow at {address} has no {TRAINING_DAG}: one that was deleted comes back when dags/ is read "
            "again, within minutes; otherwise see the log of Airflow's DAG processor",
        )


class RunNotFoundError(NotFoundError):
    """Airflow knows no such run of the DAG."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no training run {run_id!r}")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the training DAG; `state` is Airflow's: queued, running, success or failed."""

    run_id: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    forced: bool = False
    """Whether it learns although nothing is new."""


class Airflow:
    """A client of one Airflow API server; asks for a token when it has none or an old one."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.address = settings.airflow_address.rstrip("/")
        self._username = settings.airflow_username
        self._password = settings.airflow_password
        self._token: str | None = None
        self._client = httpx.AsyncClient(timeout=_SECONDS, transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def train(self, conf: dict[str, Any]) -> Run:
        """Start a training run, or give the one that waits to start: it will learn from the same data.

        `conf["force"]` learns although nothing is new; a waiting run that does not is then not enough.
        Raises TrainingPausedError, AirflowUnavailableError.
        """
        if await self._paused():
            raise TrainingPausedError(self.address)
        latest = await self.latest_run()
        if latest is not None and latest.state == _WAITING and (latest.forced or not conf["force"]):
            return latest
        path = f"/api/v2/dags/{TRAINING_DAG}/dagRuns"
        return _run(await self._call("POST", path, json={"logical_date": None, "conf": conf}))

    async def monitor(self, reason: str) -> None:
        """Start a run of the monitoring, which mirrors to MLflow what serves.

        Raises AirflowUnavailableError.
        """
        conf = {"reason": reason}
        path = f"/api/v2/dags/{MONITORING_DAG}/dagRuns"
        await self._call("POST", path, json={"logical_date": None, "conf": conf})

    async def obstacle(self) -> str | None:
        """What keeps the nights from training, and what to press; None for nothing.

        Raises AirflowUnavailableError.
        """
        return str(TrainingPausedError(self.address)) if await self._paused() else None

    async def _paused(self) -> bool:
        path, unknown = f"/api/v2/dags/{TRAINING_DAG}", TrainingUnknownError(self.address)
        return bool((await self._call("GET", path, missing=unknown)).get("is_paused"))

    async def latest_run(self) -> Run | None:
        """The newest training run, whoever started it; None before the first.

        Raises AirflowUnavailableError.
        """
        query, unknown = {"order_by": "-run_after", "limit": 1}, TrainingUnknownError(self.address)
        path = f"/api/v2/dags/{TRAINING_DAG}/dagRuns"
        answer = await self._call("GET", path, missing=unknown, params=query)
        runs = answer.get("dag_runs", [])
        return _run(runs[0]) if runs else None

    async def run(self, run_id: str) -> Run:
        """One training run. Raises RunNotFoundError, AirflowUnavailableError."""
        path = f"/api/v2/dags/{TRAINING_DAG}/dagRuns/{quote(run_id, safe='')}"
        return _run(await self._call("GET", path, missing=RunNotFoundError(run_id)))

    async def _call(
        self, method: str, path: str, missing: ServingError | None = None, **arguments: Any
    ) -> dict[str, Any]:
        try:
            response = await self._send(method, path, **arguments)
            if response.status_code == httpx.codes.NOT_FOUND and missing is not None:
                raise missing
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
        except httpx.HTTPStatusError as error:
            reason = f"it answered {error.response.status_code} to {method} {path}"
            raise AirflowUnavailableError(self.address, reason) from error
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise AirflowUnavailableError(self.address, str(error) or type(error).__name__) from error
        return answer

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        fresh = self._token is None
        response = await self._authorised(method, path, **arguments)
        if response.status_code == httpx.codes.UNAUTHORIZED and not fresh:
            self._token = None
            response = await self._authorised(method, path, **arguments)
        return response

    async def _authorised(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        if self._token is None:
            self._token = await self._new_token()
        headers = {"Authorization": f"Bearer {self._token}"}
        return await self._client.request(method, self.address + path, headers=headers, **arguments)

    async def _new_token(self) -> str:
        address = f"{self.address}/auth/token"
        if self._username is None or self._password is None:
            response = await self._client.get(address)
        else:
            credentials = {"username": self._username, "password": self._password.get_secret_value()}
            response = await self._client.post(address, json=credentials)
        response.raise_for_status()
        return str(response.json()["access_token"])


def _run(answer: dict[str, Any]) -> Run:
    return Run(
        run_id=answer["dag_run_id"],
        state=answer["state"],
        started_at=_moment(answer.get("start_date")),
        finished_at=_moment(answer.get("end_date")),
        forced=bool((answer.get("conf") or {}).get("force")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
