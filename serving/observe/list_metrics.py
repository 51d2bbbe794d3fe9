"""Prometheus metrics of what the live plane answers: by model, cold starts, fallbacks, impressions, lag.

One object a process, for Prometheus' registry takes a name once; workers share PROMETHEUS_MULTIPROC_DIR.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter

from prometheus_client import Counter, Gauge, Summary


class ListMetrics:
    """What is counted. Labels are endpoints and models of the code, never anything from a request."""

    def __init__(self) -> None:
        self._lists = Counter("shortlist_lists", "Lists made.", ("endpoint", "cold"))
        self._items = Counter("shortlist_list_items", "List items by model.", ("endpoint", "model"))
        self._fallbacks = Counter("shortlist_fallbacks", "Lists from a fallback.", ("endpoint", "reason"))
        self._steps = Summary("shortlist_list_step_seconds", "Time of the steps that make lists.", ("step",))
        self._by_step: dict[str, Summary] = {}
        self._written = Counter("shortlist_impressions_written", "Lists written to the impression log.")
        self._dropped = Counter("shortlist_impressions_dropped", "Lists missing from the impression log.")
        self._unlogged = Counter(
            "shortlist_impressions_over_quota", "Lists not logged because their client had many this minute."
        )
        self._waiting = Gauge(
            "shortlist_impressions_waiting", "Lists waiting to be written.", multiprocess_mode="livesum"
        )
        self._applied = Gauge(
            "shortlist_applied_catalogue_seq",
            "Last catalogue change that every worker has applied.",
            multiprocess_mode="livemin",
        )
        self._newest = Gauge(
            "shortlist_newest_catalogue_seq",
            "Last catalogue change that any worker has applied.",
            multiprocess_mode="livemax",
        )
        self._lag = Gauge(
            "shortlist_feed_lag",
            "Catalogue changes not applied (slowest worker).",
            multiprocess_mode="livemax",
        )
        self._encoding = Gauge(
            "shortlist_encoder_waiting", "Texts waiting for the encoder.", multiprocess_mode="livesum"
        )
        self._bundle_age = Gauge(
            "shortlist_bundle_age_seconds",
            "Age of the bundle in service.",
            multiprocess_mode="livemax",
        )
        self._trending_age = Gauge(
            "shortlist_trending_age_seconds",
            "Age of the trending scores.",
            multiprocess_mode="livemax",
        )
        self._refused = Counter("shortlist_bundles_refused", "Bundles rejected by a worker.")

    def time_step(self, step: str, seconds: float) -> None:
        """Count one run of a step that makes lists, and how long it took."""
        known = self._by_step.get(step)
        if known is None:
            known = self._by_step[step] = self._steps.labels(step)
        known.observe(seconds)

    def counts_of(
        self, endpoint: str, models: Mapping[str, int], *, cold: bool, fallback: str | None = None
    ) -> dict[Counter, int]:
        """What one list is counted as, and how often: how many items each model put there, whether the user
        was cold, and why it came from a fallback.
        """
        counts = {self._lists.labels(endpoint, "true" if cold else "false"): 1}
        for model, items in models.items():
            counts[self._items.labels(endpoint, model)] = items
        if fallback is not None:
            counts[self._fallbacks.labels(endpoint, fallback)] = 1
        return counts

    def count(self, counts: Mapping[Counter, int]) -> None:
        """Count lists: `counts_of` each, summed up."""
        for counter, times in counts.items():
            counter.inc(times)

    def count_unlogged(self, lists: int) -> None:
        """Count lists that are not logged, since their client had its share of the minute."""
        self._unlogged.inc(lists)

    def count_impressions(self, written: int, dropped: int, waiting: int) -> None:
        """Add what an ImpressionLog wrote and lost since it last told, and how many lists wait now."""
        self._written.inc(written)
        self._dropped.inc(dropped)
        self._waiting.set(waiting)

    def set_state(
        self,
        *,
        applied: int,
        lag: int,
        encoder_waiting: int,
        bundle_seconds: float | None,
        trending_seconds: float | None,
    ) -> None:
        """How far this worker has followed the catalogue, what waits, how old is what it answers from."""
        self._applied.set(applied)
        self._newest.set(applied)
        self._lag.set(lag)
        self._encoding.set(encoder_waiting)
        if bundle_seconds is not None:
            self._bundle_age.set(bundle_seconds)
        if trending_seconds is not None:
            self._trending_age.set(trending_seconds)

    def count_refused_bundle(self) -> None:
        """A deployed bundle failed its checks here."""
        self._refused.inc()


@lru_cache(maxsize=1)
def list_metrics() -> ListMetrics:
    """This process's metrics, made at the first call."""
    return ListMetrics()


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Count and time a step of a list."""
    begun = perf_counter()
    yield
    list_metrics().time_step(step, perf_counter() - begun)
