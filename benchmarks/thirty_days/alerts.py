"""Who is told of failures: a webhook that remembers what was posted to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson


@dataclass
class Alerts:
    """What came."""

    address: str
    told: list[str] = field(default_factory=list)
    """`dag.task of run` for each message."""


@contextmanager
def listen() -> Iterator[Alerts]:
    """Take messages on a free port of this machine."""

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts.told.append("{dag_id}.{task_id} of {run_id}".format(**event))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        alerts = Alerts(f"http://127.0.0.1:{server.server_address[1]}/")
        thread = threading.Thread(target=server.serve_forever, name="webhook")
        thread.start()
        try:
            yield alerts
        finally:
            server.shutdown()
            thread.join()
