"""A shop from its first day on: no night is refused without a reason that holds."""

from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.new_shop.__main__ import story
from benchmarks.new_shop.nights import World, play
from benchmarks.new_shop.shop import Customers, history
from database.settings import Settings

NIGHTS = (1, 2, 20, 57, 85, 86, 87)
"""The first ones, those at which the history was once too short, and those around a change of test_days."""

CHANGED = 86
"""From this night on the test is of 7 days at most, instead of 28."""


@pytest.fixture
def world(tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    settings = Settings(home=tmp_path, workspace=tmp_path / "workspace")
    settings.workspace.mkdir()
    customers = Customers(items=60, new_a_day=5)
    return World(settings, connection, history(max(NIGHTS), customers, seed=3), customers)


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_every_night_of_a_new_shop_is_judged_fairly(world: World) -> None:
    played = list(play(world, NIGHTS, {CHANGED: {"split": {"test_days": 7}}}))
    by_day = {night.day: night for night in played}
    text = story(played)

    assert not any(night.leaked for night in played), text
    assert all(night.warm_users >= 20 for night in played if night.day > 2), "enough to be judged"
    assert by_day[1].decision.accepted and by_day[2].decision.accepted, text
    assert by_day[57].incomparable is None, "the first night that once had test users"
    assert 14 < by_day[85].test_days <= 28, "a third of the events of a shop that grows"
    assert by_day[CHANGED].test_days == pytest.approx(7, abs=0.1)
    assert "days were held out from the champion" in str(by_day[CHANGED].incomparable)
    assert by_day[CHANGED].blend.other == "popularity"
    if by_day[CHANGED].decision.accepted:
        assert by_day[87].incomparable is None
    allowed = ("accuracy", "small losses")
    for night in played:
        for reason in night.decision.reasons:
            assert reason.startswith(allowed), text
            if reason.startswith(("accuracy of blend", "small losses")):
                assert night.blend.difference < 0.0, text
