"""The client's errors.

ShortlistError
├── RequestRefused    4xx: the request is at fault (NotFound for 404)
└── ServiceFailed     5xx after all retries, or no response
"""


class ShortlistError(Exception):
    """Base of the client's errors."""


class RequestRefused(ShortlistError):  # noqa: N818
    """The service rejected the request; `code` is machine-readable, `field` the invalid field, if any."""

    def __init__(self, status: int, code: str, message: str, field: str | None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.field = field


class NotFound(RequestRefused):
    """The requested resource does not exist."""


class ServiceFailed(ShortlistError):  # noqa: N818
    """The service failed or did not respond; `status` is None if there was no response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
