"""Where the training runs are shown, whatever MLflow answers. On a real server: test_platform.py."""

import httpx
import pytest

from database.settings import Settings
from operations.training_runs import training_runs_address


def test_an_mlflow_that_is_away_has_an_address_all_the_same(settings: Settings) -> None:
    assert training_runs_address(settings) == settings.tracking_uri


@pytest.mark.parametrize(
    ("status", "body", "page"),
    [
        (200, '{"experiment": {"experiment_id": "7"}}', "/#/experiments/7/runs"),
        (200, "<html>Sign in</html>", ""),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}', ""),
    ],
)
def test_the_page_of_the_runs_is_named_where_there_is_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, status: int, body: str, page: str
) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status, text=body))
    assert training_runs_address(settings) == settings.tracking_uri + page
