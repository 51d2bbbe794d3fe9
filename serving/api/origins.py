"""Which pages of other origins may call the service: as the setting says, read anew when `.env` changes."""

import logging
from pathlib import Path
from time import monotonic

from pydantic import ValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from database.settings import Settings

logger = logging.getLogger(__name__)

_LOOKS_EVERY = 1.0


class Origins:
    """ASGI middleware. As for any setting, an environment variable goes before the file."""

    def __init__(
        self, app: ASGIApp, settings: Settings, exposed: list[str], file: Path | None = None
    ) -> None:
        """`settings` hold until the file (None: the installation's `.env`) changes; `exposed` are headers of
        answers that pages may read."""
        self._app = app
        self._exposed = exposed
        self._file = file or Path(str(Settings.model_config["env_file"]))
        self._stamp = self._look()
        self._looked_at = monotonic()
        self._answering = self._for(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if monotonic() > self._looked_at + _LOOKS_EVERY:
            self._looked_at = monotonic()
            self._follow()
        await self._answering(scope, receive, send)

    def _follow(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            settings = Settings(_env_file=self._file)
        except (OSError, ValidationError, ValueError) as error:
            logger.warning("%s is not readable; origins stay as they were: %s", self._file, error)
            return
        logger.info("pages that may call the service: %s", settings.cors_origins or "none")
        self._answering = self._for(settings)

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def _for(self, settings: Settings) -> ASGIApp:
        origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
        if not origins:
            return self._app
        return CORSMiddleware(
            self._app,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=self._exposed,
        )
