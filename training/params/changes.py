"""Keys and values of params.yaml that an earlier version had under another name, or that are gone.

params.yaml belongs to the installation, so nothing rewrites it: `load_params` refuses an old file and names
every edit. What the platform stored itself (the arms of running experiments, the params in a bundle's
manifest) is read through `rename_old_keys`.

To rename or remove a key, add one line to CHANGES. `blend.tuned` is read from the manifests of bundles as
well: renaming that raises `training.models.bundle.SCHEMA_VERSION`.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One key that a version renamed, moved or removed, or one value of a key that it renamed."""

    old: str
    """Dotted path of a key, `blend.weights`; with a value that is a word, `blend.weights=plain`."""
    new: str | None
    """The same as this version writes it; None for a key that was removed."""
    why: str = ""
    """For the operator: a sentence without its full stop."""


_RP3BETA = "the model RP3beta was removed; no bundle ever held it"

CHANGES: tuple[Change, ...] = (
    # 0.2.0
    Change("rp3beta", None, _RP3BETA),
    Change("tune.spaces.rp3beta", None, _RP3BETA),
    Change("tune.bounds.rp3beta", None, _RP3BETA),
    Change("tune.starts.rp3beta", None, _RP3BETA),
    Change("tune.blended.rp3beta", None, _RP3BETA),
    Change("blend.weights=documents", "blend.weights=original", "the weights of the original shop API"),
)
"""In the order of releases. A name that was new once and is old now has its earlier line changed as well."""


def edits_needed(params: Mapping[str, Any]) -> list[str]:
    """The edits that make the content of an old params.yaml one of this version, one phrase each.

    >>> edits_needed({"rp3beta": {"alpha": 1.0}})
    ['rp3beta: remove it (the model RP3beta was removed; no bundle ever held it)']
    """
    return [_in_words(change, params) for change in CHANGES if _applies(change, params)]


def rename_old_keys(params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `params`, the whole of them or a few sections, with today's keys and values.

    A key that stands there under its new name already keeps that value.
    """
    made: dict[str, Any] = deepcopy(dict(params))
    for change in CHANGES:
        if _applies(change, made):
            _apply(change, made)
    return made


def _applies(change: Change, params: Mapping[str, Any]) -> bool:
    path, _, value = change.old.partition("=")
    *sections, key = path.split(".")
    place = _section(params, sections)
    return place is not None and key in place and (not value or str(place[key]) == value)


def _apply(change: Change, params: dict[str, Any]) -> None:
    *sections, key = change.old.partition("=")[0].split(".")
    old = _section(params, sections) or {}
    value = old.pop(key)
    if change.new is None:
        return
    path, _, renamed = change.new.partition("=")
    *sections, key = path.split(".")
    place = params
    for name in sections:
        place = place.setdefault(name, {})
    place.setdefault(key, renamed or value)


def _in_words(change: Change, params: Mapping[str, Any]) -> str:
    path = change.old.partition("=")[0]
    *sections, key = path.split(".")
    value = (_section(params, sections) or {})[key]
    why = f" ({change.why})" if change.why else ""
    if change.new is None:
        return f"{path}: remove it{why}"
    name, _, renamed = change.new.partition("=")
    if isinstance(value, Mapping | list):
        return f"{path} becomes {name}{why}"
    return f"{path}: {value} becomes {name}: {renamed or value}{why}"


def _section(params: Mapping[str, Any], names: list[str]) -> Any:
    """The section at the end of `names`; None where there is none."""
    place: Any = params
    for name in names:
        place = place.get(name) if isinstance(place, Mapping) else None
    return place if isinstance(place, Mapping) else None
