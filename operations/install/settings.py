"""pip's settings in the words of uv, which doesn't read them itself."""

import ast
import math
import ssl
from collections.abc import Mapping
from pathlib import Path


def read_settings(listing: str) -> dict[str, str]:
    """What `pip config list` says for installing: variables go before `install`, that before `global`."""
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            name, equals, value = line.partition("=")
            if equals and name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def uv_options(settings: Mapping[str, str]) -> list[str]:
    """uv's options that mean what these settings of pip's mean; uv doesn't read them itself."""
    options: list[str] = []
    for name, option in (
        ("index-url", "--default-index"),
        ("extra-index-url", "--index"),
        ("find-links", "--find-links"),
        ("constraint", "--constraints"),
        ("trusted-host", "--allow-insecure-host"),
        ("keyring-provider", "--keyring-provider"),
    ):
        for value in settings.get(name, "").split():
            options += [option, value]
    if "extra-index-url" in settings:
        options += ["--index-strategy", "unsafe-best-match"]
    if is_on(settings.get("no-index", "")):
        options.append("--no-index")
    return options


def uv_environment(settings: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables for uv that mean what these settings, and the `inherited` variables, mean to pip."""
    found: dict[str, str] = {}
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if inherited.get(name) and "SSL_CERT_FILE" not in inherited:
            found["SSL_CERT_DIR" if Path(inherited[name]).is_dir() else "SSL_CERT_FILE"] = inherited[name]
    named = "cert" in settings or bool(found)
    for name, variables in (
        ("cert", ("SSL_CERT_FILE",)),
        ("client-cert", ("SSL_CLIENT_CERT",)),
        ("proxy", ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")),
        ("timeout", ("UV_HTTP_TIMEOUT",)),
        ("default-timeout", ("UV_HTTP_TIMEOUT",)),
        ("retries", ("UV_HTTP_RETRIES",)),
    ):
        if name in settings:
            found |= dict.fromkeys(variables, settings[name])
            if name.endswith("timeout"):  # pip takes fractions of a second
                found |= dict.fromkeys(variables, str(math.ceil(float(settings[name]))))
    if not named and _system_trusts(ssl.get_default_verify_paths()):
        # As pip does since 24.2: a company's own certificate lies in the system's store alone.
        found["UV_SYSTEM_CERTS"] = "1"
    return found


def _system_trusts(paths: ssl.DefaultVerifyPaths) -> bool:
    return bool(paths.cafile) or bool(paths.capath and any(Path(paths.capath).iterdir()))


def is_on(value: str) -> bool:
    """Whether pip takes the value of a switch for yes."""
    return value.lower() in ("1", "true", "yes", "on", "y", "t")
