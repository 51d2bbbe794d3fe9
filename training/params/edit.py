"""Writes values into params.yaml and keeps its comments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.params import load_params


def write_back(path: Path, section: tuple[str, ...], values: Mapping[str, Any], *, whole: bool) -> None:
    """Put values into a section of params.yaml, replacing the file at once; comments and order stay.

    Args:
        path: the file.
        section: keys on the way to the section.
        values: the new values; keys that the section lacks are appended.
        whole: keys that are not in `values` go.

    Raises ParamsError when the file would not be valid; it stays as it is.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Of this file alone: a representer that is added to ruamel's own holds for whoever else uses it."""

    Representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    yaml = YAML()
    yaml.Representer = Representer
    yaml.width = 4096
    content = yaml.load(path.read_text())
    place = content
    for key in section:
        place = place[key]
    _update(place, values, whole)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as file:
        yaml.dump(content, file)
    load_params(draft)
    draft.replace(path)


def _update(place: Any, values: Mapping[str, Any], whole: bool) -> None:
    """ruamel keeps the blank lines below a section with its last key: they move to the new last one."""
    last = list(place)[-1] if place else None
    below = _cut_lines_below(place, last)
    for key in [key for key in place if whole and key not in values]:
        del place[key]
        place.ca.items.pop(key, None)
    place.update(values)
    if below and place:
        _append_lines(place, list(place)[-1], below)


def _cut_lines_below(place: Any, key: Any) -> str:
    """Take off what follows the line of `key`; its own comment stays."""
    token = place.ca.items.get(key, [None] * 4)[2]
    if token is None:
        return ""
    own, _, below = token.value.partition("\n")
    if own:
        token.value = f"{own}\n"
    else:
        del place.ca.items[key]
    return str(below)


def _append_lines(place: Any, key: Any, below: str) -> None:
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    token = place.ca.items.get(key, [None] * 4)[2]
    if token is not None:
        token.value += below
    else:
        place.ca.items[key] = [None, None, CommentToken(f"\n{below}", CommentMark(0), None), None]
