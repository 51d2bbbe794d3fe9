"""Ports for servers that tests start as processes of their own."""

import random
import socket

BELOW_EPHEMERAL = range(20_000, 32_000)
"""The system gives these to no client, so that none is taken between here and a server's start."""


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on, each once; drawn by lot, since two processes may ask."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(BELOW_EPHEMERAL)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found
