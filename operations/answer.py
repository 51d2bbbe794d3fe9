"""The first answer: proof that the service recommends from the bundle that was trained."""

import json
import time
from typing import Any

import httpx

from operations.commands import Aborted
from operations.errors import StartError
from operations.platform import Platform

BUNDLE_HEADER = "X-Bundle"
BUNDLE_SECONDS = 120
SHOWN_CHARACTERS = 1500


class BundleRefusedError(Exception):
    """The service will not serve a bundle: it is damaged, or of another version of Shortlist."""

    def __init__(self, bundle_id: str, reason: str) -> None:
        super().__init__(f"bundle {bundle_id}: {reason}")
        self.bundle_id = bundle_id
        self.reason = reason


def wait_for_bundle(platform: Platform, bundle_id: str) -> None:
    """Wait until the service answers from a bundle.

    Raises BundleRefusedError when it refuses to, StartError after two minutes, Aborted.
    """
    deadline = time.monotonic() + BUNDLE_SECONDS
    while True:
        served, refused = _served(platform)
        if served == bundle_id:
            return
        if bundle_id in refused:
            raise BundleRefusedError(bundle_id, refused[bundle_id])
        if platform.abort.is_set():
            raise Aborted("service")
        if time.monotonic() > deadline:
            raise StartError(
                f"The service does not take bundle {bundle_id} up (it serves {served})",
                f"See {platform.service_address}/status and {platform.place.logs / 'service.log'}",
            )
        time.sleep(0.3)


def first_answer(platform: Platform) -> tuple[str, str]:
    """A curl command and the body that it gives now: what goes with a product of the home page.

    Where the home page is empty (no product, or none touched lately), the service's own state.
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
    """Id of the bundle that the service names in its answers; and the refused ones, with the reasons."""
    try:
        reply = httpx.get(f"{platform.service_address}/status", timeout=5, trust_env=False)
        reply.raise_for_status()
    except httpx.HTTPError:
        return None, {}
    refused = reply.json()["bundle"]["refused"]
    return reply.headers.get(BUNDLE_HEADER), {each["bundle_id"]: each["reason"] for each in refused}
