"""The page that shows the OpenAPI document. Its script and style come with BentoML: no CDN is asked."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, Response

router = APIRouter(include_in_schema=False)

_PAGE = "/docs"
_BUNDLED = "_internal/server/static_content"
_NO_ICON = "data:,"


@router.get(_PAGE)
async def documentation(request: Request) -> Response:
    """Swagger UI over the OpenAPI document."""
    root = request.scope.get("root_path", "").rstrip("/")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Shortlist",
        swagger_js_url=f"{root}{_PAGE}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_PAGE}/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
    )


@router.get(_PAGE + "/{name}")
async def asset(name: Literal["swagger-ui-bundle.js", "swagger-ui.css"]) -> Response:
    """What the page loads."""
    return FileResponse(bundled() / name, headers={"Cache-Control": "max-age=86400"})


@cache
def bundled() -> Path:
    """Folder of Swagger UI's files in the installed BentoML; the package is not imported for it."""
    package = find_spec("bentoml")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("bentoml")
    return Path(package.origin).parent / _BUNDLED
