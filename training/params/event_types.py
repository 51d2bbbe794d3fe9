"""The shop's words for events that an installation's params.yaml defines."""

from collections.abc import Mapping
from pathlib import Path

from database.event_words import EventType
from database.settings import get_settings
from training.params import ParamsError, load_params
from training.params.learning import EventTypeParams


def event_types_of(section: Mapping[str, EventTypeParams]) -> tuple[EventType, ...]:
    """The section `event_types` as the platform's definitions."""
    return tuple(EventType(name, each.counts_as, each.weight) for name, each in section.items())


def configured_event_types(path: Path | None = None) -> tuple[EventType, ...]:
    """Those of params.yaml. Entry point `shortlist.event_types` of those who ingest logs.

    Raises ValueError when the file can't be used.
    """
    try:
        params = load_params(path or get_settings().workspace / "params.yaml")
    except ParamsError as error:
        raise ValueError(str(error)) from error
    return event_types_of(params.event_types)
