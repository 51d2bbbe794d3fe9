"""What of the answers is logged: a quota for each client, and a sample of the users nobody knows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.experiments.sampling import Quota, in_sample

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 7), st.integers(0, 40)), max_size=60),
    st.integers(1, 12),
)
def test_no_client_has_more_lists_in_a_minute_than_its_quota_and_one_answer(
    requests: list[tuple[str, int, int]], per_minute: int
) -> None:
    quota, moment = Quota(per_minute), NOW
    taken: dict[tuple[str, int], int] = {}
    for client, lists, seconds in requests:
        moment += timedelta(seconds=seconds)
        key = (client, int(moment.timestamp() // 60))
        expected = taken.get(key, 0) < per_minute
        assert quota.take(client, lists, moment) == expected
        taken[key] = taken.get(key, 0) + (lists if expected else 0)


def test_zero_is_no_limit() -> None:
    assert all(Quota(0).take("a", 1000, NOW) for _ in range(3))


def test_many_clients_do_not_fill_the_memory() -> None:
    quota = Quota(1)
    for number in range(20_000):
        quota.take(str(number), 1, NOW)
    assert len(quota._used) <= 10_000


def test_a_sample_is_the_same_all_day_and_another_the_next() -> None:
    users = [f"u{number}" for number in range(5000)]
    day = {user for user in users if in_sample(user, 0.1, NOW)}
    assert day == {user for user in users if in_sample(user, 0.1, NOW + timedelta(hours=11))}
    assert len(day) == pytest.approx(500, abs=100)
    assert day != {user for user in users if in_sample(user, 0.1, NOW + timedelta(days=1))}
    assert all(in_sample(user, 1.0, NOW) for user in users)
