"""`python -m benchmarks.mixed.shoppers ADDRESS`: requests of a file, asked by Locust; answers to stdout.

A process of its own: Locust replaces Python's sockets and threads by gevent's. Where a rate is asked, each
request has its moment, whether or not those before it have been answered, and its time counts from then: a
server that stands still is charged with all who wait. As long as fewer than `--users` wait, that is.
"""

import json
import sys
import time
from pathlib import Path

import click
import gevent
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

SPAWNED_SECONDS = 2.0
"""Until all users are there; nothing is asked before."""
_GIVE_UP_SECONDS = 60.0


class Shopper(FastHttpUser):
    """One of those who ask: takes the next request when its last is answered."""

    abstract = True
    requests: list[tuple[str, str, str, str | None]]
    """Kind, method, path, body."""
    rate: float | None
    begin: float
    until: float
    taken = 0
    found: list[tuple[str, float, int]]

    @task
    def ask(self) -> None:
        """Ask once, at the request's moment."""
        shared = type(self)
        number, shared.taken = shared.taken, shared.taken + 1
        due = self.begin + (number / self.rate if self.rate else 0.0)
        gevent.sleep(max(due - time.perf_counter(), 0.0))
        if max(due, time.perf_counter()) >= self.until and (not self.rate or due >= self.until):
            raise StopUser
        kind, method, path, body = self.requests[number % len(self.requests)]
        sent = due if self.rate else time.perf_counter()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = self.client.request(method, path, name=kind, data=body, headers=headers)
        self.found.append((kind, time.perf_counter() - sent, answer.status_code))


@click.command()
@click.argument("address")
@click.option("--requests", type=click.Path(path_type=Path), required=True, help="JSON, as `Shopper` has it.")
@click.option("--seconds", type=float, required=True)
@click.option("--rate", type=float, help="Requests a second; without it, as fast as they are answered.")
@click.option("--users", type=int, required=True, help="How many may wait at a time.")
def main(address: str, requests: Path, seconds: float, rate: float | None, users: int) -> None:
    """Ask, and write kind, seconds and status of every answer as JSON."""
    begin = time.perf_counter() + SPAWNED_SECONDS
    settings = {
        "host": address,
        "requests": json.loads(requests.read_text()),
        "rate": rate,
        "begin": begin,
        "until": begin + seconds,
        "found": [],
        "abstract": False,
    }
    kind = type("OurShopper", (Shopper,), settings)
    runner = Environment(user_classes=[kind]).create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(SPAWNED_SECONDS + seconds)
    give_up = time.perf_counter() + _GIVE_UP_SECONDS
    while runner.user_count and time.perf_counter() < give_up:
        gevent.sleep(0.05)
    runner.quit()
    json.dump(settings["found"], sys.stdout)


if __name__ == "__main__":
    main()
