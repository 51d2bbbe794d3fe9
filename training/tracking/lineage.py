"""What a run was made from."""

from dataclasses import dataclass

KIND = "shortlist.kind"
"""Tag that says what a run is of: a model's name, "bundle", "trial" or "search." and a model's name."""


@dataclass(frozen=True)
class Lineage:
    """What a run was made from; its tags, and the key by which a rerun finds it."""

    snapshot: str
    """MD5 that DVC gives the snapshot."""
    params: str
    """Hash of the params that were used."""
    git_commit: str

    def tags(self, kind: str) -> dict[str, str]:
        """Tags of the run of `kind` (see KIND)."""
        return {
            KIND: kind,
            "shortlist.snapshot": self.snapshot,
            "shortlist.params": self.params,
            "shortlist.git_commit": self.git_commit,
        }
