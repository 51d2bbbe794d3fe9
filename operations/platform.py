"""The whole platform: start its parts in parallel, wait until each is ready, stop everything."""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

import asyncpg
import httpx

from database.connection import database_url, dsn
from database.counts import Counts, read_counts
from database.embedded import accepts_connections
from database.schema import create_database, migrate
from database.schema.errors import NewerSchemaError
from database.settings import Settings
from operations.airflow import AirflowApi
from operations.commands import AbortedError, run_once
from operations.environment import layout, process_environment, supervisor_environment
from operations.errors import StartError, SupervisorError
from operations.logs import cause, size, written_since
from operations.migrations import Migrations
from operations.reporter import Reporter
from operations.supervisor import CONFIGURATION, Supervisor

AIRFLOW_PROCESSES = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
DAILY = "daily_training"
DAGS = ("hourly_trending", DAILY)
"""What a first start runs, in this order, once Airflow knows them."""

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:")
"""How a log line begins; other lines are meant for the operator."""

GIVEN_UP = "Application startup failed"
"""What a worker of the service logs before it exits; its server would restart it forever."""

READY_SECONDS = 240
MOST_RESTARTS = 3
"""A process that dies this often before it is ready will not recover by itself."""


class Platform:
    """One installation, from its settings."""

    def __init__(self, settings: Settings, reporter: Reporter, *, sample: bool = True) -> None:
        self.settings = settings
        self.place = layout(settings)
        self.supervisor = Supervisor(self.place)
        self.report = reporter
        self.abort = threading.Event()
        self._sample = sample
        self._environment: dict[str, str] = {}
        self._begins: dict[str, int] = {}

    @property
    def service_address(self) -> str:
        """The service's address on this machine."""
        host = self.settings.service_host
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.settings.service_port}"

    def start(self) -> None:
        """Start every part and wait until all are ready. Raises OperationsError.

        PostgreSQL first; then, in parallel, Airflow, MLflow, and our own schema, sample and service.
        """
        self._environment = supervisor_environment(
            self.settings, {name: database_url(self.settings, name) for name in ("airflow", "mlflow")}
        )
        self.supervisor.start(self._environment)
        self._start_database()
        with ThreadPoolExecutor(max_workers=3) as pool:
            parts = [
                pool.submit(part) for part in (self._start_airflow, self._start_mlflow, self._start_service)
            ]
            try:
                self._join(parts)
            except BaseException:
                self.abort.set()
                raise

    def stop(self) -> int:
        """Stop everything; returns how many processes there were."""
        self.abort.set()
        return self.supervisor.stop()

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Wait until a supervised process is ready.

        Raises StartError, with the error from its log, if the process fails to start, keeps crashing or takes
        too long, and AbortedError if the start is cancelled.
        """
        log = self.place.logs / f"{name}.log"
        begin, deadline, seen = self._begins.get(name, 0), time.monotonic() + seconds, set[int]()
        while not ready():
            if self.abort.is_set():
                raise AbortedError(name)
            seen.update(self.supervisor.process_ids(name))
            if GIVEN_UP in written_since(log, begin):
                raise StartError(f"'{name}' can't start: {cause(log, begin)}", f"See {log}")
            if len(seen) > MOST_RESTARTS:
                raise StartError(f"'{name}' keeps crashing: {cause(log, begin)}", f"See {log}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"'{name}' is not ready after {seconds:.0f} s: {cause(log, begin)}", f"See {log}"
                )
            time.sleep(0.3)

    def counts(self) -> Counts:
        """Row counts of the database."""

        async def ask() -> Counts:
            conn = await asyncpg.connect(dsn(self.settings), timeout=10)
            try:
                return await read_counts(conn)
            finally:
                await conn.close()

        return asyncio.run(ask())

    def _launch(self, name: str) -> None:
        """Start a process and remember where its log begins."""
        self._begins[name] = size(self.place.logs / f"{name}.log")
        self.supervisor.start_process(name)

    def _start_database(self) -> None:
        if self.settings.database_url is None:
            self._launch("postgres")
            self.wait_until("postgres", lambda: accepts_connections(self.settings.postgres_dir))
            self.report.line(f"PostgreSQL is ready ({self.settings.postgres_dir})")
        for name in ("airflow", "mlflow"):
            create_database(database_url(self.settings, name))

    def _start_airflow(self) -> None:
        if self.settings.airflow_url is None:
            self._migrations().airflow()
            for name in AIRFLOW_PROCESSES:
                self._launch(name)
        with AirflowApi(self.settings) as api:
            self.wait_until("airflow-api-server", api.healthy)
            api.sign_in()
            self.wait_until("airflow-dag-processor", lambda: all(api.knows(dag) for dag in DAGS))
        self.report.line(f"Airflow is ready ({self.settings.airflow_address})")

    def _start_mlflow(self) -> None:
        if self.settings.mlflow_tracking_uri is None:
            self._migrations().mlflow()
            self._launch("mlflow")
            self.wait_until("mlflow", lambda: self.replies(f"{self.settings.tracking_uri}/health"))
        self.report.line(f"MLflow is ready ({self.settings.tracking_uri})")

    def _start_service(self) -> None:
        try:
            migrate(database_url(self.settings))
        except NewerSchemaError as error:
            raise StartError(
                str(error),
                "Start the version that made it, or restore a backup from before (docs/upgrading.md)",
            ) from error
        counts = self.counts()
        if counts.items + counts.bare_items + counts.interactions == 0 and self._sample:
            self.report.line(
                "The database is empty: loading the sample (Online Retail, 541,909 invoice lines)"
            )
            said = run_once(
                "sample",
                ["python", "-m", "database.ingest", "sample"],
                process_environment(self._environment, CONFIGURATION),
                self.place,
                self.abort,
            )
            self.report.line("Sample loaded")
            for line in said.splitlines():
                if not LOG_LINE.match(line):
                    self.report.plain(f"          {line}")
        self._launch("service")
        self.wait_until("service", lambda: self.replies(f"{self.service_address}/status"))
        self.report.line(f"The service is ready ({self.service_address})")

    def _migrations(self) -> Migrations:
        environment = process_environment(self._environment, CONFIGURATION)
        return Migrations(self.settings, self.place, environment, self.abort)

    @staticmethod
    def replies(address: str) -> bool:
        """Whether a GET of the address returns 200."""
        try:
            return httpx.get(address, timeout=3, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    @staticmethod
    def _join(parts: list[Future[None]]) -> None:
        """Wait for all parts; raise the first real error rather than a cancellation that followed from it."""
        done, rest = wait(parts, return_when=FIRST_EXCEPTION)
        errors = [error for part in done if (error := part.exception()) is not None]
        if errors:
            raise next((error for error in errors if not isinstance(error, AbortedError)), errors[0])
        if rest:
            raise SupervisorError("The start was interrupted", "Run `make up` again")
