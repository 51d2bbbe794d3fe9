"""Airflow's API in memory, behind a transport of httpx."""

from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakeAirflow:
    """An Airflow server behind a transport: tokens, and the runs of one DAG."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.triggered: list[dict[str, Any]] = []
        self.monitored: list[dict[str, Any]] = []
        self.tokens = 0
        self.reachable = True
        self.paused = False
        self.deleted = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.reachable:
            raise httpx.ConnectError("connection refused")
        if request.url.path == "/auth/token":
            self.tokens += 1
            return httpx.Response(201, json={"access_token": f"token-{self.tokens}"})
        if request.headers["authorization"] != f"Bearer token-{self.tokens}":
            return httpx.Response(401)
        if request.method == "POST" and not self.deleted:
            return self._trigger(request)
        return self._read(request)

    def _read(self, request: httpx.Request) -> httpx.Response:
        run_id = request.url.path.rpartition("/")[2]
        if self.deleted:
            return httpx.Response(404)
        if request.url.path.endswith("/dags/daily_training"):
            return httpx.Response(200, json={"dag_id": run_id, "is_paused": self.paused})
        if run_id == "dagRuns":
            return httpx.Response(200, json={"dag_runs": self.runs[-1:], "total_entries": len(self.runs)})
        found = [run for run in self.runs if run["dag_run_id"] == run_id]
        return httpx.Response(200, json=found[0]) if found else httpx.Response(404)

    def _trigger(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        if "/dags/monitoring/" in request.url.path:
            self.monitored.append(body)
            return httpx.Response(200, json={"dag_run_id": "manual__1", "state": "queued"})
        self.triggered.append(body)
        run = {"dag_run_id": f"manual__{len(self.runs) + 1}", "state": "running", "conf": body["conf"]}
        self.runs.append({**run, "start_date": NOW.isoformat(), "end_date": None})
        return httpx.Response(200, json=self.runs[-1])
