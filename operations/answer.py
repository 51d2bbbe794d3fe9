"""The first response: shows that the service recommends from the bundle that was trained."""

import json
import time
from typing import Any

import httpx

from operations.commands import AbortedError
from operations.errors import OperationsError, StartError
from operations.platform import Platform

BUNDLE_HEADER = "X-Bundle"
BUNDLE_SECONDS = 120
SHOWN_CHARACTERS = 1500


class BundleRefusedError(OperationsError):
    """The service rejected a bundle: it is damaged, or from another version of Shortlist."""

    def __init__(self, bundle_id: str, reason: str) -> None:
        super().__init__(f"bundle {bundle_id}: {reason}")
        self.bundle_id = bundle_id
        self.reason = reason


def wait_for_bundle(platform: Platform, bundle_id: str) -> None:
    """Wait until the service serves a bundle.

    Raises BundleRefusedError if the service rejects it, StartError after two minutes, AbortedError.
    """
    deadline = time.monotonic() + BUNDLE_SECONDS
    while True:
        served, refused = _served(platform)
        if served == bundle_id:
            return
        if bundle_id in refused:
            raise BundleRefusedError(bundle_id, refused[bundle_id])
        if platform.abort.is_set():
            raise AbortedError("service")
        if time.monotonic() > deadline:
            raise StartError(
                f"The service has not switched to bundle {bundle_id} (it serves {served})",
                f"See {platform.service_address}/status and {platform.place.logs / 'service.log'}",
            )
        time.sleep(0.3)


def first_answer(platform: Platform) -> tuple[str, str]:
    """A curl command and its current response: products similar to one on the home page.

    If the home page is empty (no products, or no recent activity): the service's status.
    """
    address = platform.service_address
    lists = _ask(f"{address}/recommendations/home?user_id=newcomer&response_limit=1")
    shown = [product for name in ("trending", "diverse_picks", "best_value") for product in lists[name]]
    asked = (
        f"{address}/recommendations/product/{shown[0]['id']}?response_limit=3&explain=true"
        if shown
        else f"{address}/status"
    )
    body = json.dumps(_ask(asked), indent=2, ensure_ascii=False)
    return f"curl '{asked}'", body if len(body) <= SHOWN_CHARACTERS else f"{body[:SHOWN_CHARACTERS]}\n…"


def _ask(address: str) -> dict[str, Any]:
    reply = httpx.get(address, timeout=30, trust_env=False)
    reply.raise_for_status()
    body: dict[str, Any] = reply.json()
    return body


def _served(platform: Platform) -> tuple[str | None, dict[str, str]]:
    """Id of the bundle in service, and the rejected bundles with their reasons."""
    try:
        reply = httpx.get(f"{platform.service_address}/status", timeout=5, trust_env=False)
        reply.raise_for_status()
    except httpx.HTTPError:
        return None, {}
    refused = reply.json()["bundle"]["refused"]
    return reply.headers.get(BUNDLE_HEADER), {each["bundle_id"]: each["reason"] for each in refused}
