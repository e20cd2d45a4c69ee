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
        Meta(description="a file, or a broker for this run; `--log URL` overrides it"),
    ] = "sqlite"
    options: Annotated[str, Meta(description="query of its URL, such as `session_s=6`")] = ""


class RunPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[run]"""

    lanes: Annotated[int, Meta(ge=1, le=16, description="processes with the role lanes")] = 1
    patience_s: Annotated[
        float,
        Meta(gt=0, description="the run ends after this time without a change, real seconds"),
    ] = 60.0


class CampaignPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[campaign]]"""

    id: Annotated[str, Meta(min_length=1, description="its name")]
    route: Annotated[list[str], Meta(min_length=1, description="the accounts it goes through")]
    recipients: Annotated[int | None, Meta(description="numbers to make; or `file`")] = None
    file: Annotated[str | None, Meta(description="a list beside the scenario; or `recipients`")] = None
    numbers_from: Annotated[
        int, Meta(ge=13_000_000_000, le=19_900_000_000, description="the least of the numbers that are made")
    ] = 13_800_000_000
    dirty: Annotated[bool, Meta(description="adds bad and duplicate rows, counted in `recipients`")] = False
    variables: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(description="columns for `{NAME}` in the text, and their different values; 0: one per recipient"),
    ] = {}
    text: Annotated[str, Meta(description="its text, different in each campaign")] = ""
    at_s: Annotated[float, Meta(ge=0, description="seconds after the start of the run")] = 0.0
    after_taken: Annotated[
        Share | None,
        Meta(description="when this share of all recipients is taken; or `at_s`"),
    ] = None
    weight: Annotated[int, Meta(ge=1, description="relative share of accounts")] = 1
    urgent: Annotated[bool, Meta(description="goes before others")] = False
    unknown: Annotated[Literal["hold", "resend"], Meta(description="policy for unknown recipients")] = "hold"
    options: Annotated[dict[str, str], Meta(description="as `--option` of `campaign launch`")] = {}


class EventPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[event]]: when, to whom (one of vendor, account, role, campaign), what."""

    at_s: Annotated[From0 | None, Meta(description="seconds after the start; or `after_taken`")] = None
    after_taken: Annotated[Share | None, Meta(description="when this share of all recipients is taken")] = None
    for_s: Annotated[
        Above0 | None,
        Meta(description="undone after this time: return, restored switches, resumed campaign"),
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
        Meta(description="`do`: kill (-9), stop (in order), start, restart, freeze (with `for_s`)"),
    ] = None
    campaign: Annotated[str | None, Meta(description="a campaign's id; `do`: pause, resume, cancel")] = None
    do: Annotated[
        Do | None,
        Meta(description="outage: the gateway dies for `for_s`; repeat: pushed reports are pushed again"),
    ] = None
    set: Annotated[dict[str, Any] | None, Meta(description="switches of the vendor")] = None
    rules: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="the vendor's rules from now on; `[]`: none (docs/SIMULATORS.md)"),
    ] = None
    every_fault: Annotated[Share | None, Meta(description="probability of each fault; 0: none")] = None
    top_up: Annotated[int | None, Meta(description="credit added at the vendor")] = None
    flow: Annotated[dict[str, Any] | None, Meta(description="the vendor's flow limit from now on")] = None
    inbound: Annotated[
        dict[str, Any] | None,
        Meta(description='a message from a phone (`POST /_sim/mo`): `{ mobile = "…", msg = "…" }`'),
    ] = None


class ExpectPart(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[expect]: what must hold in the end, besides the invariants."""

    within_s: Annotated[Above0 | None, Meta(description="the longest run, real seconds")] = None
    delivered: Annotated[
        tuple[float, float] | None, Meta(description="least and largest share of recipients delivered")
    ] = None
    unknown_max: Annotated[Share, Meta(description="largest share unknown")] = 0.0
    no_report_max: Annotated[Share, Meta(description="largest share without a report")] = 0.0
    refused_max: Annotated[Share, Meta(description="largest share refused for good")] = 0.0
    cancelled: Annotated[list[str], Meta(description="the only campaigns with cancelled recipients")] = []
    limit_used_min: Annotated[
        Share | None,
        Meta(description="least share of every flow limit used while busy"),
    ] = None
    over_limit: Annotated[list[str], Meta(description="accounts that may have windows over their limit")] = []
    violations: Annotated[list[str], Meta(description="violations that vendors may count (docs/SIMULATORS.md)")] = []
    codes: Annotated[dict[str, list[str]], Meta(description="answers that each vendor must give: `codes.NAME`")] = {}
    faults: Annotated[list[str], Meta(description="vendors at which every fault must happen")] = []
    inbound: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["all"] | None,
        Meta(description="messages from phones that we must have; `all`: each one that a vendor says we have taken"),
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
