"""The service's errors: one small tree, each carrying the data that a message or a status code needs.

ServingError
├── NotFoundError             ItemNotFoundError, UserNotFoundError  404
├── AlreadyExistsError        ItemExistsError, UserExistsError      409
├── EditConflictError         others keep editing the same item     409
├── KeyReusedError            an idempotency key of something else  422
├── ModelNotReadyError        no bundle, or not this item in it     503
├── EncoderUnavailableError   the embedding model is not there yet  503
├── DatabaseUnavailableError  a write (or a read that needs it)     503
│   └── DatabaseBusyError     it answers, but could not do this     503
└── BundleRefusedError        never leaves the service: /status shows it

Those that one module raises stand there: FilterError, ApiError, the errors of Airflow, ExposureRefusedError.
"""


class ServingError(Exception):
    """Root of the errors that the live plane raises on purpose."""


class NotFoundError(ServingError):
    """The thing named by the request does not exist (or has been deleted)."""


class ItemNotFoundError(NotFoundError):
    """No live item has this id."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"no item {item_id!r}")
        self.item_id = item_id


class UserNotFoundError(NotFoundError):
    """No user has this id. Raised only where a user is edited or shown: to recommend, it is a cold start."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"no user {user_id!r}")
        self.user_id = user_id


class AlreadyExistsError(ServingError):
    """The id of a new thing is taken."""


class ItemExistsError(AlreadyExistsError):
    """A live item already has this id."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"item {item_id!r} already exists")
        self.item_id = item_id


class UserExistsError(AlreadyExistsError):
    """A user already has this id."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"user {user_id!r} already exists")
        self.user_id = user_id


class EditConflictError(ServingError):
    """Each attempt to edit an item met another edit of it."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"item {item_id!r} is being edited by someone else; try again")
        self.item_id = item_id


class KeyReusedError(ServingError):
    """An idempotency key was already used for a different interaction."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was already used for a different interaction")


class ModelNotReadyError(ServingError):
    """The model that the request needs is not in the service yet."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"model {model!r} is not ready: {reason}")
        self.model = model
        self.reason = reason


class EncoderUnavailableError(ServingError):
    """The embedding model can't be asked at the moment."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"texts can't be encoded: {reason}; try again")
        self.reason = reason


class DatabaseUnavailableError(ServingError):
    """PostgreSQL is unavailable; nothing was written."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"the database is unavailable; nothing was stored ({operation})")
        self.operation = operation


class DatabaseBusyError(DatabaseUnavailableError):
    """PostgreSQL answers but could not do this in time: a lock, a full lane, too many rows."""

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(operation)
        self.args = (f"the database is busy: {operation} failed ({reason}); try again",)
        self.reason = reason


class BundleRefusedError(ServingError):
    """A deployed bundle cannot serve: missing, corrupt, or failing its smoke test."""

    def __init__(self, bundle_id: str, reason: str) -> None:
        super().__init__(f"bundle {bundle_id} rejected: {reason}")
        self.bundle_id = bundle_id
        self.reason = reason
