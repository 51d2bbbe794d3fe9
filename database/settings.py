"""Every setting that comes from the environment, in one place.

Hyperparameters, weights and thresholds are not here: their only home is params.yaml.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Settings of one installation: environment variables first, then the file `.env`.

    Fields without an alias read ``SHORTLIST_<NAME>``; those with one share the
    variable that the tool they configure already reads.
    """

    model_config = SettingsConfigDict(
        env_prefix="SHORTLIST_",
        env_file=REPOSITORY / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = REPOSITORY / ".shortlist"
    """Runtime state of this installation: embedded database, logs, secrets, stored bundles."""

    workspace: Path = REPOSITORY
    """Folder of params.yaml, dvc.yaml and data/: where a snapshot is learned from."""

    inbox: Path = REPOSITORY / "inbox"
    """Files dropped here are ingested by the next daily run."""

    database_url: str | None = Field(default=None, alias="DATABASE_URL")
    """An external PostgreSQL; without it the embedded one runs under `home`."""

    airflow_port: int = 8080
    mlflow_port: int = 5000
    service_port: int = 3000
    service_host: str = "127.0.0.1"
    service_workers: int = 2

    mlflow_tracking_uri: str | None = Field(default=None, alias="MLFLOW_TRACKING_URI")
    """An external MLflow; without it the one on `mlflow_port`."""

    mlflow_experiment: str = Field(
        default="shortlist", alias="MLFLOW_EXPERIMENT_NAME", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    """Experiment that runs are logged to, and what the names of registered models begin with."""

    airflow_url: str | None = None
    """An external Airflow API server; without it the one on `airflow_port`."""

    airflow_username: str | None = None
    airflow_password: SecretStr | None = None

    api_keys: SecretStr | None = None
    """Comma-separated keys; with them set, writes, training and administration need one."""

    public_keys: SecretStr | None = None
    """Comma-separated keys that may stand in a page: with `api_keys` set they allow reads, and
    `POST /v1/events`, and nothing else."""

    reads_need_key: bool = False
    """With `api_keys` set: whether reads (recommendations, searches, users, status) need a key too."""

    allow_public_without_keys: bool = False
    """Let the service listen on an address other than loopback though no `api_keys` are set."""

    allowed_hosts: str = ""
    """Comma-separated names that requests may be for, beside localhost and any address; `.shop.example` is
    every host below it, `*` any."""

    cors_origins: str = ""
    """Comma-separated origins whose pages may call the service; `*` for any; none by default."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    """Largest body of a request that the service reads."""

    max_batch_bytes: int = Field(default=33_554_432, ge=1024)
    """The same of a batch of /v1: up to 10,000 items or events."""

    rate_limit_per_minute: int = Field(default=6000, ge=0)
    """Requests a minute for each key or, without one, address; each worker counts for itself, loopback is
    free, 0 is no limit."""

    webhook_url: str | None = None
    """Where failures of scheduled runs are posted as JSON."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """From which level on our own messages are written; any case."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator("home", "workspace", "inbox")
    @classmethod
    def _from_the_repository(cls, path: Path) -> Path:
        """A relative path starts at the repository, wherever the process was started."""
        return REPOSITORY / path.expanduser()

    @property
    def postgres_dir(self) -> Path:
        """Data directory of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def tracking_uri(self) -> str:
        """Address of the MLflow server in use."""
        return self.mlflow_tracking_uri or f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def airflow_address(self) -> str:
        """Address of the Airflow API server in use."""
        return self.airflow_url or f"http://127.0.0.1:{self.airflow_port}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the environment once; tests call `get_settings.cache_clear()`."""
    return Settings()
