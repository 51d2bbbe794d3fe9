"""`python shoppers.py ADDRESS`: requests of a file, asked by Locust; answers to stdout.

Run by the Python of an environment of its own (generator.py), so it imports nothing of Shortlist. Each
request has its moment, whether or not those before it have been answered, and its time counts from then: a
server that stands still is charged with all who wait. As long as fewer than `--users` wait, that is. Up to a
millisecond that a timer is late is nobody's.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import gevent
from locust import FastHttpUser
from locust.env import Environment
from locust.exception import StopUser

TIMER_SECONDS = 0.001
"""What gevent's timers count in: a request that is sent so little late has waited for nobody."""
SPAWNED_SECONDS = 2.0
"""Until all users are there; nothing is asked before."""
_GIVE_UP_SECONDS = 60.0

Request = tuple[str, str, str, str | None]
"""Kind, method, path, body."""


class Requests:
    """The requests to be asked, in order, over and over, and the answers."""

    def __init__(self, asked: list[Request], rate: float, begin: float, until: float) -> None:
        """`rate` is requests a second; moments by perf_counter."""
        self.asked = asked
        self.rate = rate
        self.begin = begin
        self.until = until
        self.found: list[tuple[str, float, int, float]] = []
        self._taken = 0

    def ask_next(self, user: Any) -> None:
        """Let a user of Locust's ask the next request, at its moment."""
        number, self._taken = self._taken, self._taken + 1
        due = self.begin + number / self.rate
        gevent.sleep(max(due - time.perf_counter(), 0.0))
        # What is due is asked, however late.
        if due >= self.until:
            raise StopUser
        kind, method, path, body = self.asked[number % len(self.asked)]
        headers = {"Content-Type": "application/json"} if body is not None else {}
        now = time.perf_counter()
        moment = now if now <= due + TIMER_SECONDS else due
        answer = user.client.request(method, path, name=kind, data=body, headers=headers)
        took = time.perf_counter() - moment
        self.found.append((kind, took, answer.status_code, due - self.begin))


@click.command()
@click.argument("address")
@click.option("--requests", type=click.Path(path_type=Path), required=True, help="JSON: a list of them.")
@click.option("--seconds", type=float, required=True)
@click.option("--rate", type=float, required=True, help="Requests a second.")
@click.option("--users", type=int, required=True, help="How many may wait at a time.")
def main(address: str, requests: Path, seconds: float, rate: float, users: int) -> None:
    """Ask, and write of every answer, as JSON: kind, seconds, status, and when it was asked, in seconds."""
    begin = time.perf_counter() + SPAWNED_SECONDS
    every = Requests(json.loads(requests.read_text()), rate, begin, begin + seconds)
    kind = type("Shopper", (FastHttpUser,), {"host": address, "tasks": [every.ask_next]})
    runner = Environment(user_classes=[kind]).create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(SPAWNED_SECONDS + seconds)
    give_up = time.perf_counter() + _GIVE_UP_SECONDS
    while runner.user_count and time.perf_counter() < give_up:
        gevent.sleep(0.05)
    runner.quit()
    json.dump(every.found, sys.stdout)


if __name__ == "__main__":
    main()
