"""What a lane's owner asks its shell to do: the only way from the pure core to the world.

The shell (consumers/lanes/runner.py, or the simulation) performs effects in the order given; every append goes to the
partition's journal in that order.
"""

from __future__ import annotations

import msgspec

from dispatcher.core.messages.personal import Letters
from schemas.records import Checkpoint, CheckpointAt, Intent, Job, Outcome, Resolved, Stop


class Append(msgspec.Struct, frozen=True):
    """Append to the journal."""

    record: Intent | Outcome | Resolved | Checkpoint


class Point(msgspec.Struct, frozen=True):
    """Append to `campaigns` where the newest valid checkpoint lies."""

    record: CheckpointAt


class Tell(msgspec.Struct, frozen=True):
    """Append to `campaigns` what keeps this account from sending now; `stops` empty: nothing does any more."""

    account: str
    stops: tuple[Stop, ...]
    at_ms: int


class Fetch(msgspec.Struct, frozen=True):
    """Fetch and check the batch of a job; then call `Owner.batch_loaded` or `batch_failed`."""

    job_offset: int
    job: Job


class Send(msgspec.Struct, frozen=True):
    """Build this chunk's request, connect, ask `Owner.may_write` right before the first byte; then `Owner.answered`.

    Where `may_write` says that the request has to wait, it is asked again after the request's Go. `letters`: the texts
    of its recipients, where the campaign is personalised.
    """

    intent: int
    account: str
    campaign: str
    numbers: memoryview
    count: int
    letters: Letters | None = None


class Go(msgspec.Struct, frozen=True):
    """A request that waits at the gate asks `Owner.may_write` again now."""

    intent: int


class Warn(msgspec.Struct, frozen=True):
    """Something a person should know: a log line and a counter."""

    account: str
    event: str
    detail: str


Effect = Append | Point | Tell | Fetch | Send | Go | Warn
