"""The client's errors.

ShortlistError
├── RequestRefused    the service answered 4xx: the request is at fault
│   ├── NotFound          404
│   └── TooManyRequests   429 after the retries
└── ServiceFailed     5xx after the retries, or no answer at all
    └── AnswerUnreadable  success, but not in the service's words: a proxy's page, say
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


class TooManyRequests(RequestRefused):
    """The service takes no more requests of this key or address for now."""


class ServiceFailed(ShortlistError):  # noqa: N818
    """The service failed or did not respond; `status` is None if there was no response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AnswerUnreadable(ServiceFailed):
    """The answer says success and is not what the endpoint gives; something else may have answered."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}, but the answer can't be read: {text[:200]!r}", status)
        self.text = text
