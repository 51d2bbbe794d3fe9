"""Whether a champion's evaluation models can be tested on a later night's holdout."""

from collections.abc import Mapping
from typing import Any

from training.data.split import DAY
from training.evaluation.holdout import HoldoutFacts
from training.params.changes import rename_old_keys

LONGER = 1.25
"""A champion kept from more than so many times the challenger's test days is at a disadvantage: it learned
from less."""


def incomparable(mine: HoldoutFacts, theirs: HoldoutFacts) -> str | None:
    """Why the champion's evaluation models can't be tested on the challenger's holdout; None if they can.

    Args:
        mine: the challenger's holdout.
        theirs: the holdout that the champion's evaluation models were kept from.
    """
    if not theirs.users:
        return "nothing was held out from the champion's evaluation models"
    if mine.protocol != theirs.protocol:
        return (
            f"the champion was evaluated by split.protocol {theirs.protocol}, this bundle by {mine.protocol}"
        )
    if mine.start is None or theirs.start is None:
        return None
    if theirs.start > mine.start:
        days = (theirs.start - mine.start) / DAY
        return f"the champion's evaluation models have seen the first {days:.1f} days of the test"
    if theirs.days > LONGER * mine.days:
        return (
            f"{theirs.days:.1f} days were held out from the champion's evaluation models, "
            f"{mine.days:.1f} from this bundle's"
        )
    return None


def facts_of(
    manifest: Mapping[str, Any], report: Mapping[str, Any] | None, mine: HoldoutFacts, min_test_users: int
) -> HoldoutFacts:
    """The holdout of a bundle that was judged before.

    Args:
        manifest: the bundle's.
        report: of the gate's decision on it; that of 0.1.0 does not tell.
        mine: tonight's holdout. 0.1.0 held out exactly `split.test_days`, and the last event was not later.
        min_test_users: 0.1.0 does not tell how many there were either.
    """
    if report is not None and "holdout" in report:
        return HoldoutFacts(**report["holdout"])
    split = rename_old_keys(manifest["params"])["split"]
    measured = any(entry.get("metrics") for entry in manifest["models"].values())
    users = min_test_users if measured else 0
    start = mine.end - split["test_days"] * DAY + 1 if split["protocol"] == "time" else None
    return HoldoutFacts(split["protocol"], start, mine.end, users, users)
