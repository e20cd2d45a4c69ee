"""Who owns a lane partition, as its journal says: the log is the lock.

See docs/LANE.md, "The log is the lock".

A record that claims authority (Intent, Resolved, Checkpoint, Ceded, Moved) counts only if the last Owned before it in
the log is its author's. A fact (Outcome, Handed) counts from any author. Every reader folds by this rule, the author of
a record included.
"""

from __future__ import annotations

from schemas.records import AnyRecord, Ceded, Checkpoint, Intent, Moved, Owned, Resolved


class Ownership:
    """The fold. `owner` is None before the first Owned; give the stored one to continue in the middle of a journal."""

    __slots__ = ("owner",)

    def __init__(self, owner: str | None = None) -> None:
        self.owner = owner

    def valid(self, record: AnyRecord) -> bool:
        """Fold the next record of the journal; returns whether it counts."""
        match record:
            case Owned():
                self.owner = record.owner
                return True
            case Intent() | Resolved() | Checkpoint() | Ceded() | Moved():
                return record.owner == self.owner
            case _:
                return True
