"""Prometheus metrics of the HTTP contracts, by route template: paths with ids do not grow the labels.

Several workers share one `PROMETHEUS_MULTIPROC_DIR` (BentoML makes one), and any of them answers for all.
"""

import os
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response
from starlette.types import Scope

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_UNMATCHED = "unmatched"


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "shortlist_http_requests", "Requests answered.", (*labels, "status"), registry=self._registry
        )
        self._errors = Counter(
            "shortlist_http_errors", "Responses with status 5xx.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "shortlist_http_request_seconds",
            "Seconds from the first byte of the request to the end of the response.",
            labels,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request; its route is the template that the router found, if any."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        if status >= 500:
            self._errors.labels(method, route).inc()

    def render(self, more: bytes = b"") -> Response:
        """All workers' metrics in Prometheus' text format, with those of the process, and `more` of them."""
        if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _forget_the_dead(Path(folder))
            shared = CollectorRegistry()
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
            return Response(generate_latest(shared) + more, media_type=CONTENT_TYPE_LATEST)
        body = generate_latest(self._registry) + generate_latest(REGISTRY) + more
        return Response(body, media_type=CONTENT_TYPE_LATEST)


def _forget_the_dead(folder: Path) -> None:
    """Leave out the gauges of workers that were killed: what they had followed, nobody follows now."""
    for file in folder.glob("gauge_live*.db"):
        if not psutil.pid_exists(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)
