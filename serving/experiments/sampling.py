"""What of the answers is logged, so that nobody without a key can fill the disk: a quota, and a sample."""

from collections import OrderedDict
from datetime import datetime

from serving.experiments.running import bucket

_MOST_CLIENTS = 10_000


class Quota:
    """So many lists a minute for each client."""

    def __init__(self, per_minute: int) -> None:
        """`per_minute` 0 is no limit."""
        self._per_minute = per_minute
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, client: str, lists: int, now: datetime) -> bool:
        """Whether the lists of one answer are still within the client's minute."""
        if not self._per_minute:
            return True
        minute = int(now.timestamp() // 60)
        began, used = self._used.pop(client, (minute, 0))
        used = used if began == minute else 0
        fits = used < self._per_minute
        self._used[client] = (minute, used + lists if fits else used)
        if len(self._used) > _MOST_CLIENTS:
            self._used.popitem(last=False)
        return fits


def in_sample(user_id: str, share: float, now: datetime) -> bool:
    """Whether a user is among the `share` whose lists are logged: for a day, on every worker alike."""
    return share >= 1 or bucket(f"impressions {now:%Y-%m-%d}", user_id) < share
