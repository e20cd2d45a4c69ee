"""A scenario: vendors, accounts, campaigns, events and the expected end, in one TOML file.

The keys are the fields of the structs below, with their meaning (docs/SCENARIOS.md is generated from them). file.py
reads and checks a scenario; this file has no rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Do = Literal["outage", "repeat", "kill", "stop", "start", "restart", "freeze", "pause", "resume", "cancel"]
RoleName = Literal["web", "lanes", "results"]
Above0 = Annotated[float, Meta(gt=0)]
From0 = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section whose keys are all known."""


class LogPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[log]"""

    kind: Annotated[
        Literal["sqlite", "kafka"],
        Meta(description="a file, or a Kafka broker started for this run; `--log URL` overrides it"),
    ] = "sqlite"
    options: Annotated[str, Meta(description="the query of the log's URL, such as `session_s=6`")] = ""


class RunPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[run]"""

    lanes: Annotated[int, Meta(ge=1, le=16, description="processes with the role lanes")] = 1
    patience_s: Annotated[
        float,
        Meta(gt=0, description="the run ends if nothing changes for this long (real seconds)"),
    ] = 60.0


class CampaignPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[campaign]]"""

    id: Annotated[str, Meta(min_length=1, description="its name")]
    route: Annotated[list[str], Meta(min_length=1, description="the accounts it goes through")]
    recipients: Annotated[
        int | None, Meta(description="how many numbers to make, each in no other campaign; or `file`")
    ] = None
    file: Annotated[str | None, Meta(description="a list, relative to the scenario's file; or `recipients`")] = None
    dirty: Annotated[bool, Meta(description="adds bad and duplicate rows; `recipients` counts the rows")] = False
    variables: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(
            description="columns for `{NAME}` in the text: how many different values each has; 0: a different one per "
            "recipient"
        ),
    ] = {}
    text: Annotated[str, Meta(description="its text; must differ from other campaigns' texts")] = ""
    at_s: Annotated[float, Meta(ge=0, description="seconds after the start of the run")] = 0.0
    after_taken: Annotated[
        Share | None,
        Meta(description="launched when the vendors have taken this share of all recipients; instead of `at_s`"),
    ] = None
    weight: Annotated[int, Meta(ge=1, description="its share of an account, relative to others")] = 1
    urgent: Annotated[bool, Meta(description="goes before campaigns that are not urgent")] = False
    unknown: Annotated[Literal["hold", "resend"], Meta(description="the policy for unknown recipients")] = "hold"
    options: Annotated[dict[str, str], Meta(description="vendor options, as `--option` of `campaign launch`")] = {}


class EventPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[event]]: when, to whom (one of vendor, account, role, campaign), what."""

    at_s: Annotated[From0 | None, Meta(description="seconds after the start; or `after_taken`")] = None
    after_taken: Annotated[
        Share | None, Meta(description="when the vendors have taken this share of all recipients")
    ] = None
    for_s: Annotated[
        Above0 | None,
        Meta(
            description="undone after this many seconds: the vendor returns, switches are restored, the role starts or "
            "continues, the campaign is resumed"
        ),
    ] = None
    vendor: Annotated[
        str | None, Meta(description='a [vendor.NAME]: `do = "outage"`, `set`, `rules` or `every_fault`')
    ] = None
    account: Annotated[
        str | None,
        Meta(description='an [account.NAME]: `top_up`, `flow`, `inbound` or `do = "repeat"`'),
    ] = None
    role: Annotated[
        RoleName | None,
        Meta(description="a role: `do` is kill (-9), stop (in order), start, restart or freeze (with `for_s`)"),
    ] = None
    campaign: Annotated[str | None, Meta(description="a campaign's id: `do` is pause, resume or cancel")] = None
    do: Annotated[
        Do | None,
        Meta(
            description="outage: the vendor's gateway dies as by kill -9, for `for_s`. repeat: every report already "
            "pushed is pushed again. The others as above"
        ),
    ] = None
    set: Annotated[dict[str, Any] | None, Meta(description="switches of the vendor")] = None
    rules: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="the vendor's faults and forced answers from now on; `[]`: none (docs/SIMULATORS.md, Rules)"),
    ] = None
    every_fault: Annotated[
        Share | None, Meta(description="the probability of each fault of the simulator; 0: none")
    ] = None
    top_up: Annotated[int | None, Meta(description="credit added to the account at the vendor")] = None
    flow: Annotated[dict[str, Any] | None, Meta(description="the flow limit that the vendor enforces from now on")] = (
        None
    )
    inbound: Annotated[
        dict[str, Any] | None,
        Meta(description='a message from a phone, as of `POST /_sim/mo`: `{ mobile = "…", msg = "…" }`'),
    ] = None


class ExpectPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[expect]: what must hold in the end, besides the invariants."""

    within_s: Annotated[Above0 | None, Meta(description="the run ends within this many real seconds")] = None
    delivered: Annotated[
        tuple[float, float] | None, Meta(description="the least and the largest share of recipients delivered")
    ] = None
    unknown_max: Annotated[Share, Meta(description="the largest share of recipients unknown in the end")] = 0.0
    no_report_max: Annotated[Share, Meta(description="the largest share of recipients without a report")] = 0.0
    refused_max: Annotated[Share, Meta(description="the largest share of recipients refused for good")] = 0.0
    cancelled: Annotated[
        list[str], Meta(description="campaigns with cancelled recipients; no other campaign may have any")
    ] = []
    limit_used_min: Annotated[
        Share | None,
        Meta(description="the least share of every flow limit used while there is something to send"),
    ] = None
    over_limit: Annotated[list[str], Meta(description="accounts whose vendor may count windows over its limit")] = []
    violations: Annotated[
        list[str], Meta(description="violations that the vendors may count (docs/SIMULATORS.md, The ledger)")
    ] = []
    codes: Annotated[
        dict[str, list[str]], Meta(description="answers that each vendor must give at least once: `codes.NAME`")
    ] = {}
    faults: Annotated[list[str], Meta(description="vendors at which every fault must happen at least once")] = []
    inbound: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="how many messages from phones we must have")
    ] = None


class VendorPart(msgspec.Struct, frozen=True, kw_only=True):
    """[vendor.NAME]: `vendor` as in dispatcher.toml; `simulated` is the rest, as in [sim] (docs/SIMULATORS.md)."""

    vendor: str
    every_fault: float = 0.0
    simulated: dict[str, Any] = {}


class AccountPart(msgspec.Struct, frozen=True, kw_only=True):
    """[account.NAME]: `at` is the [vendor.NAME]; `ours` is the rest, as in dispatcher.toml."""

    at: str
    ours: dict[str, Any] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A whole scenario; `sections` are [lanes], [store] and [web] as in dispatcher.toml.

    `smaller`: it has fewer recipients than its file says.
    """

    path: str
    about: str
    seed: int
    log: LogPart
    run: RunPart
    sections: dict[str, dict[str, Any]]
    vendors: dict[str, VendorPart]
    accounts: dict[str, AccountPart]
    campaigns: tuple[CampaignPart, ...]
    events: tuple[EventPart, ...]
    expect: ExpectPart
    smaller: bool = False

    @property
    def planned(self) -> int:
        """How many recipients are made for it."""
        return sum(campaign.recipients or 0 for campaign in self.campaigns)
