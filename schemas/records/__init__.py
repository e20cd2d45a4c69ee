"""Every record on the log, except the batch itself (schemas/batch.py), as a tagged struct.

The words are those of docs/ARCHITECTURE.md, "Vocabulary". Times are Unix milliseconds of the writer's wall clock
(`…_ms`): for people and for the 48 h rule, never for ownership or pacing. A record says what happened, never
what to do about it.
"""

from __future__ import annotations

from schemas.records.arrivals import Dead, Finished, Inbound, Rejects, Reports
from schemas.records.base import (
    AtClosing,
    CampaignClass,
    Effect,
    Kind,
    LeftOut,
    MessageKind,
    Record,
    ResolvedAs,
    Stop,
    SuppressionSource,
    UnknownPolicy,
    Why,
)
from schemas.records.callbacks import CallbackEvent, CallbackFailure, CallbackReplay, CallbackState
from schemas.records.campaigns import (
    Approved,
    BalanceAsked,
    Budgeted,
    BudgetShare,
    Cancelled,
    CheckpointAt,
    Closed,
    Control,
    Deferred,
    DraftBatch,
    Drafted,
    DraftList,
    DraftPlaces,
    FailBack,
    Finding,
    Flowed,
    Follows,
    HoursChanged,
    Launched,
    Leg,
    Operated,
    PriceChange,
    Retry,
    RetrySkipped,
    Scheduled,
    StartFailed,
    Stopped,
    StreamClosed,
    StreamTerms,
    TextDecided,
    Wave,
    WaveDecided,
    Weighed,
    control_key,
)
from schemas.records.carriers import CarrierLearnt
from schemas.records.inbox import DECIDED_LATER, Appended, Checked, Decided, Job, MovedFrom
from schemas.records.journal import (
    BalanceTold,
    Ceded,
    Checkpoint,
    Committed,
    Cost,
    Handed,
    Handover,
    Intent,
    JobState,
    Moved,
    Moves,
    OpenRange,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    Run,
    Slice,
    StreamIntent,
    StreamKeys,
    StreamState,
    Taken,
    why_left_out,
)
from schemas.records.people import Audited, OneTimeLink, Person, SignedIn, Token
from schemas.records.suppression import Suppression, SuppressionOrigin, SuppressionSnapshot, SuppressionSnapshotAt
from schemas.records.verification import CodeMade, CodeTried

__all__ = [
    "DECIDED_LATER",
    "AnyRecord",
    "Appended",
    "Approved",
    "AtClosing",
    "Audited",
    "BalanceAsked",
    "BalanceTold",
    "BudgetShare",
    "Budgeted",
    "CallbackEvent",
    "CallbackFailure",
    "CallbackReplay",
    "CallbackState",
    "CampaignClass",
    "Cancelled",
    "CarrierLearnt",
    "Ceded",
    "Checked",
    "Checkpoint",
    "CheckpointAt",
    "Closed",
    "CodeMade",
    "CodeTried",
    "Committed",
    "Control",
    "Cost",
    "Dead",
    "Decided",
    "Deferred",
    "DraftBatch",
    "DraftList",
    "DraftPlaces",
    "Drafted",
    "Effect",
    "FailBack",
    "Finding",
    "Finished",
    "Flowed",
    "Follows",
    "Handed",
    "Handover",
    "HoursChanged",
    "Inbound",
    "Intent",
    "Job",
    "JobState",
    "Kind",
    "Launched",
    "LeftOut",
    "Leg",
    "MessageKind",
    "Moved",
    "MovedFrom",
    "Moves",
    "OneTimeLink",
    "OpenRange",
    "Operated",
    "Outcome",
    "Outcomes",
    "Owned",
    "Person",
    "PriceChange",
    "Record",
    "Rejects",
    "Reports",
    "Resolved",
    "ResolvedAs",
    "Retry",
    "RetrySkipped",
    "Run",
    "Scheduled",
    "SignedIn",
    "Slice",
    "StartFailed",
    "Stop",
    "Stopped",
    "StreamClosed",
    "StreamIntent",
    "StreamKeys",
    "StreamState",
    "StreamTerms",
    "Suppression",
    "SuppressionOrigin",
    "SuppressionSnapshot",
    "SuppressionSnapshotAt",
    "SuppressionSource",
    "Taken",
    "TextDecided",
    "Token",
    "UnknownPolicy",
    "Wave",
    "WaveDecided",
    "Weighed",
    "Why",
    "control_key",
    "why_left_out",
]

AnyRecord = (
    Launched
    | Drafted
    | Scheduled
    | Approved
    | StartFailed
    | RetrySkipped
    | Flowed
    | HoursChanged
    | WaveDecided
    | TextDecided
    | Cancelled
    | Closed
    | StreamClosed
    | Weighed
    | Budgeted
    | BudgetShare
    | Ceded
    | Moved
    | Handed
    | FailBack
    | CheckpointAt
    | BalanceAsked
    | Stopped
    | Operated
    | Job
    | Appended
    | Checked
    | Decided
    | Owned
    | Intent
    | StreamIntent
    | Outcome
    | Outcomes
    | Resolved
    | BalanceTold
    | Checkpoint
    | StreamKeys
    | Reports
    | Inbound
    | Dead
    | Finished
    | Rejects
    | Suppression
    | SuppressionSnapshot
    | SuppressionSnapshotAt
    | CarrierLearnt
    | Person
    | Token
    | SignedIn
    | OneTimeLink
    | Audited
    | CodeMade
    | CodeTried
    | CallbackEvent
    | CallbackState
    | CallbackReplay
)
