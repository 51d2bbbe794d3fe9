"""Which requests BentoML answers itself, and which the app."""

from typing import Any

import pytest

from serving.api.entrance import Entrance

ASKED = [
    *((method, path, False) for method in ("GET", "HEAD") for path in ("/livez", "/healthz", "/readyz")),
    ("POST", "/livez", True),
    ("GET", "/livez/", True),
    *(("GET", path, True) for path in ("/", "/users/", "/nowhere", "/recommendations/home/", "/metrics")),
]


async def asked(scope: dict[str, Any]) -> str:
    came: list[str] = []

    def app(name: str) -> Any:
        async def answer(*_: Any) -> None:
            came.append(name)

        return answer

    nothing: Any = None
    await Entrance(app("BentoML"), into=app("app"))(scope, nothing, nothing)
    (who,) = came
    return who


@pytest.mark.parametrize(("method", "path", "ours"), ASKED)
async def test_the_app_answers_all_but_what_is_bentomls_own(method: str, path: str, ours: bool) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": []}
    assert await asked(scope) == ("app" if ours else "BentoML")


async def test_bentoml_starts_and_stops_what_it_serves() -> None:
    assert await asked({"type": "lifespan"}) == "BentoML"
