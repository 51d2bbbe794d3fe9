"""A closed-loop load by wrk: so many connections, each asking again once it is answered.

wrk is in C and takes a few microseconds a request, so that two servers' rates can be compared on one machine;
where a rate is asked, Locust asks (`benchmarks.mixed`).
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LUA = """
local asked = %s
local number = 0
function init(args)
  for place, each in ipairs(asked) do
    local headers = each[3] and {["Content-Type"] = "application/json"} or nil
    asked[place] = wrk.format(each[1], each[2], headers, each[3])
  end
end
function request()
  number = number %% #asked + 1
  return asked[number]
end
function done(summary, latency, requests)
  local failed = 0
  for _, count in pairs(summary.errors) do failed = failed + count end
  io.stderr:write(string.format(
    '{"requests": %%d, "microseconds": %%d, "failed": %%d, "p50": %%d, "p95": %%d}',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(95)))
end
"""


@dataclass(frozen=True)
class Request:
    """What is asked; a body is JSON."""

    method: str
    path: str
    body: str | None = None


@dataclass(frozen=True)
class LoadResult:
    """Requests under a load: how many, how fast."""

    requests: int
    failed: int
    """Answered with an error, or not at all."""
    seconds: float
    p50_ms: float
    p95_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def drive(port: int, requests: Sequence[Request], seconds: int, connections: int) -> LoadResult:
    """Ask a server on loopback for some seconds, the requests in turn, over and over.

    Raises RuntimeError where wrk is not installed, or could not ask.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk, which asks, is not installed: apt-get install wrk, or brew install wrk")
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(_script(requests))
        command = (wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s")
        done = subprocess.run(
            (*command, "-s", str(script), f"http://127.0.0.1:{port}"),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not done.stderr.startswith("{"):
        raise RuntimeError(f"wrk could not ask: {done.stderr.strip() or done.stdout.strip()}")
    said = json.loads(done.stderr)
    return LoadResult(
        said["requests"],
        said["failed"],
        said["microseconds"] / 1e6,
        said["p50"] / 1000,
        said["p95"] / 1000,
    )


def _script(requests: Sequence[Request]) -> str:
    rows = (
        ", ".join(_quoted(part) for part in (each.method, each.path, each.body) if part is not None)
        for each in requests
    )
    return _LUA % ("{" + ",\n".join(f"{{{row}}}" for row in rows) + "}")


def _quoted(text: str) -> str:
    """A string of Lua: its bytes in decimal where they are not plain."""
    return '"' + "".join(chr(byte) if _is_plain(byte) else f"\\{byte:03d}" for byte in text.encode()) + '"'


def _is_plain(byte: int) -> bool:
    return 32 <= byte < 127 and byte not in b'"\\'
