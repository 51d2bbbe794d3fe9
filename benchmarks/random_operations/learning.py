"""What the nightly and hourly runs do: bundles, experiments, trending; and whether the workers agree."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2

from benchmarks.random_operations.shop import USERS, Shop
from database import deployments
from database.experiments import Arm, ExperimentError, start_experiment, stop_experiment
from training.params import load_params
from training.pipeline.trending import score_trending
from training.release.bundle import StoredBundle

EXPERIMENT_SECONDS = 15.0
"""Until every worker has surely noticed an experiment."""


def activate(dsn: str, bundle: StoredBundle) -> None:
    """Put a bundle into service."""
    with psycopg2.connect(dsn) as conn:
        deployments.activate(conn, bundle.bundle_id, bundle.tag, bundle.manifest, "random")
    conn.close()


async def deploy(shop: Shop) -> None:
    """Put one of the two bundles into service."""
    await asyncio.to_thread(activate, shop.dsn, shop.random.choice(shop.bundles))


async def roll_back(shop: Shop) -> None:
    """Through the API; there may be nothing to go back to."""
    _, answer = await shop.ask("POST", "/training/rollback", json={"reason": "random"})
    if answer is not None and answer.status_code not in (200, 202, 409, 503):
        shop.seen.wrong.append(f"rollback: {answer.status_code} {answer.text[:200]}")


async def experiment(shop: Shop) -> None:
    """Start one on the other bundle, or stop the one that runs."""

    def change() -> None:
        with psycopg2.connect(shop.dsn) as conn, suppress(ExperimentError):
            if shop.experiment is not None:
                name, shop.experiment = shop.experiment, None  # a rollback may have stopped it
                stop_experiment(conn, name, "over")
            else:
                name = f"e{next(shop.numbers)}"
                arms = (
                    Arm("now", 0.5),
                    Arm("other", 0.5, bundle_id=shop.random.choice(shop.bundles).bundle_id),
                )
                start_experiment(conn, name, "ab", arms)
                shop.experiment = name
        conn.close()

    await asyncio.to_thread(change)
    shop.changed = time.monotonic()


async def trending(shop: Shop) -> None:
    """As the hourly run does."""

    def compute() -> None:
        params = load_params()
        with psycopg2.connect(shop.dsn) as conn:
            score_trending(conn, datetime.now(UTC), params)
        conn.close()

    await asyncio.to_thread(compute)


async def compare_workers(shop: Shop) -> None:
    """While nothing else happens every worker gives the same list."""
    if time.monotonic() - shop.changed < EXPERIMENT_SECONDS or shop.experiment is not None:
        return  # workers follow within seconds, and X-Bundle names the deployed bundle alone
    user = f"user{shop.random.randrange(USERS)}"
    lists: dict[str, set[str]] = {}
    for _ in range(6):
        _, answer = await shop.ask("POST", "/matrix_factor/user", json={"user_id": user, "n": 20})
        if answer is None or answer.status_code != 200 or "X-Stale" in answer.headers:
            return
        bundle = answer.headers["X-Bundle"]
        shown = [each["item_id"] for each in answer.json()["recommendations"]]
        lists.setdefault(bundle, set()).add(" ".join(shown))
    shop.seen.wrong += [
        f"als of {user} by {name}: {len(each)} lists" for name, each in lists.items() if len(each) > 1
    ]
