"""Synonyms from a file that the operator edits; reread when it changes."""

import logging
from pathlib import Path

from serving.text.terms import fold, phrase

logger = logging.getLogger(__name__)

Phrase = tuple[str, ...]


class Synonyms:
    """Groups of phrases that mean the same.

    The file has one group a line, phrases separated by commas; a line that begins with `#` is a comment.
    A file that is absent, or cannot be read, is no synonyms. Each call looks at the file's time and size,
    so that an edit counts from the next search on. Phrases are terms without accents (`terms.fold`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._groups: dict[Phrase, list[Phrase]] = {}
        self._longest = 1

    @property
    def version(self) -> tuple[int, int] | None:
        """Another whenever the file is: what was found with one holds only as long."""
        self._refresh()
        return self._stamp

    @property
    def longest(self) -> int:
        """Terms of the longest phrase."""
        self._refresh()
        return self._longest

    def others(self, asked: Phrase) -> list[Phrase]:
        """The phrases that stand in a group with this one, itself left out; [] when it is in none."""
        self._refresh()
        return self._groups.get(asked, [])

    def _refresh(self) -> None:
        stamp, groups = None, {}
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                groups = self._read()
        except OSError as error:  # also between an editor's removal of the old file and its new one
            stamp = None
            if self._stamp is not None:
                logger.warning("no synonyms: %s", error)
        if stamp == self._stamp:
            return
        self._stamp, self._groups = stamp, groups
        self._longest = max((len(known) for known in self._groups), default=1)
        logger.info("loaded synonyms for %d phrases from %s", len(self._groups), self._path)

    def _read(self) -> dict[Phrase, list[Phrase]]:
        groups: dict[Phrase, list[Phrase]] = {}
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lstrip().startswith("#"):
                continue
            phrases = (tuple(map(fold, phrase(part))) for part in line.split(","))
            group = list(dict.fromkeys(found for found in phrases if found))
            for member in group:
                known = groups.setdefault(member, [])
                known.extend(other for other in group if other != member and other not in known)
        return groups
