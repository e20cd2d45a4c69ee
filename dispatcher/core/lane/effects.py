"""What a lane's owner orders from its shell: the only way from the pure core to the world.

The shell (consumers/lanes/runner.py, or the simulation) performs effects in the order given; every append goes to the
partition's journal in that order.
"""

from __future__ import annotations

import msgspec

from dispatcher.core.messages.personal import ChunkTexts
from dispatcher.core.ranges import Ranges
from schemas.records import (
    BudgetShare,
    Ceded,
    Checkpoint,
    CheckpointAt,
    Handed,
    Intent,
    Job,
    Moved,
    Outcome,
    Outcomes,
    Resolved,
    Stop,
    StreamKeys,
)


class Append(msgspec.Struct, frozen=True):
    """Append to the journal."""

    record: Intent | Outcome | Outcomes | Resolved | Checkpoint | Ceded | Moved | Handed | StreamKeys


class Share(msgspec.Struct, frozen=True):
    """Append to `campaigns` what an account says of its share of a budget; `token` makes its key unique."""

    record: BudgetShare
    token: str


class Hand(msgspec.Struct, frozen=True):
    """Append these jobs to the inboxes of their accounts, in this order; then call `Owner.handed` or `not_handed`."""

    jobs: tuple[Job, ...]


class Point(msgspec.Struct, frozen=True):
    """Append the offset of the newest valid checkpoint to `campaigns`."""

    record: CheckpointAt


class Tell(msgspec.Struct, frozen=True):
    """Append to `campaigns` what keeps this account from sending now; empty `stops`: nothing."""

    account: str
    stops: tuple[Stop, ...]
    at_ms: int


class Fetch(msgspec.Struct, frozen=True):
    """Fetch and check the batch of a job; then call `Owner.batch_loaded` or `batch_failed`.

    Of a segment of a stream: its messages from `start` on, as far as the inbox has them.
    """

    job_offset: int
    job: Job
    start: int = 0


class Send(msgspec.Struct, frozen=True):
    """Build this chunk's request, connect, call `Owner.may_write` right before the first byte; then `Owner.answered`.

    A link calls `Owner.grant` for the messages that it has room for, and `Owner.runs_answered` at the end. What must
    wait is asked for again after its Go. `texts`: the texts of the recipients, if the campaign is personalised;
    `variant`: the index of their text, if it has several. `places`: their positions in the chunk, if it leaves others
    out; empty: they are all of it.
    """

    intent: int
    account: str
    campaign: str
    numbers: memoryview
    count: int
    texts: ChunkTexts | None = None
    variant: int = 0
    places: Ranges = ()


class Go(msgspec.Struct, frozen=True):
    """What waits at the gate calls `Owner.may_write`, or `Owner.grant`, again now."""

    intent: int


class Warn(msgspec.Struct, frozen=True):
    """Something a person should know: a log line and a counter."""

    account: str
    event: str
    detail: str


Effect = Append | Hand | Point | Share | Tell | Fetch | Send | Go | Warn
