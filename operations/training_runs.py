"""Where MLflow lists the training runs: its home page opens on traces, of which there are none."""

import httpx

from database.settings import Settings

SECONDS = 10


def training_runs_address(settings: Settings) -> str:
    """Address of the page with the training runs; of MLflow itself where there are none, or it can't tell."""
    address = settings.tracking_uri.rstrip("/")
    asked = f"{address}/api/2.0/mlflow/experiments/get-by-name"
    name = {"experiment_name": settings.mlflow_experiment}
    try:
        answer = httpx.get(asked, params=name, timeout=SECONDS, trust_env=False)
        experiment = answer.json()["experiment"]["experiment_id"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        # No experiment yet, an MLflow behind a login, or one that is away: its address is right all the same.
        return settings.tracking_uri
    return f"{address}/#/experiments/{experiment}/runs"
