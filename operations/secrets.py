"""Secrets of an installation: generated once, stored in a file that only its owner can read."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from operations.errors import PreflightError


@dataclass(frozen=True)
class Secrets:
    """Secrets shared by Airflow's processes."""

    jwt_secret: str
    """Signs the tokens that tasks and users send to the API server."""

    api_secret: str
    """Signs the API server's cookies and requests for logs."""

    fernet_key: str
    """Encrypts connections and variables at rest."""


def load_secrets(path: Path) -> Secrets:
    """Read the secrets, generating them on the first call.

    Args:
        path: a JSON file; its folder exists.

    Raises PreflightError when the file exists but does not contain the secrets.
    """
    if not path.exists():
        _write_new(path)
    try:
        return Secrets(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise PreflightError(
            f"{path} does not contain this installation's secrets ({error})",
            "Restore it from a backup, or delete it to get new ones (Airflow's saved connections are lost)",
        ) from error


def _write_new(path: Path) -> None:
    """Write new secrets atomically: a start that is killed leaves no partial file."""
    made = Secrets(
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        fernet_key=Fernet.generate_key().decode(),
    )
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
