"""A campaign's definition, checked before a list is read: id, text, route, policy. Pure.

Every mistake is one sentence: a text that an account cannot carry is refused here, not by the vendor 5,000,000 times.
This file checks the fixed part of a text with placeholders; personal_values.py checks the values row by row.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

import msgspec
import orjson

from dispatcher.config.file import Config
from dispatcher.config.routes import Route
from dispatcher.core.campaigns import WEIGHT_MAX
from dispatcher.core.launches.overtaken import retry_id
from dispatcher.core.launches.retries import RetryBroken, retry_of
from dispatcher.core.messages.template import Template, TemplateBroken, parse
from dispatcher.core.money.amounts import micro_yuan
from dispatcher.core.schedule.hours import ALWAYS
from dispatcher.errors import ConfigError, TextError, UserError
from dispatcher.os_user import os_user
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.vendors.seam.vendor import Message, Vendor, options_for
from dispatcher.vendors.text_check import check_text
from producers.launch.failover import check_failover
from producers.launch.multimedia import NO_URL, Frames, check_frames, read_frames
from producers.launch.sending_hours import ANY_TIME, Terms, read_terms
from producers.launch.steps import ONE_STEP, Steps, read_steps
from producers.segments.campaign_parts import CampaignPart, campaign_parts
from schemas.records import Follows, MessageKind, Retry, UnknownPolicy

ID_CHARS_MAX: Final = 64
NAME_CHARS_MAX: Final = 200

KINDS: Final = {"sms": "texts", "wap": "WAP pushes", "mms": "multimedia messages"}
TITLE_OPTION: Final = "mms_title"
POLICIES: Final = ("hold", "resend")

_ID: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{ID_CHARS_MAX}}}")
_ID_CHARACTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_RANDOM_CHARS: Final = 5
_SLUG_CHARS_MAX: Final = 32


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's definition. `accounts` are its route, in the order given; `by_carrier` its rules, if it has some.

    `text` is what every recipient gets, with placeholders if `template` has some: then it is personalised. For a
    multimedia message it is the title; `frames` are its files. `weight` None: not given, which means 1. `terms` say
    when it may be sent.
    """

    campaign: str
    name: str
    text: str
    template: Template
    accounts: dict[str, Vendor]
    weight: int | None
    urgent: bool
    unknown: UnknownPolicy
    options: dict[str, str]
    by: str = ""
    kind: MessageKind = "sms"
    frames: Frames | None = None
    terms: Terms = ANY_TIME
    exclude_campaigns: tuple[CampaignPart, ...] = ()
    follows: Follows | None = None
    steps: Steps = ONE_STEP
    by_carrier: Route | None = None
    budget: int = 0
    retry: Retry | None = None
    defer: bool = False
    deferred_of: str = ""
    ends_ms: int = 0
    known_follow_ups: frozenset[str] = frozenset()

    def sent_as(self) -> bytes:
        """Everything that decides what is sent, when, and by which accounts, as bytes for the fingerprint.

        Without id, name, weight and urgency, which do not change what a recipient gets.
        """
        parts: list[object] = [self.text, sorted(self.accounts), self.unknown, sorted(self.options.items())]
        if self.kind != "sms":
            parts += [self.kind, self.frames.digest if self.frames is not None else ""]
        when = (self.terms.campaign_class, self.terms.asked.spans, self.terms.at_closing)
        if when != ("marketing", ALWAYS.spans, "pause"):
            parts += when
        if self.steps.several:
            parts.append(["waves", self.steps.waves, self.steps.wait_ms, list(self.steps.texts)])
        if self.by_carrier is not None:
            parts.append(["route", self.by_carrier.sent_as()])
        if self.exclude_campaigns:
            parts.append(["exclude", sorted(each.text for each in self.exclude_campaigns)])
        if self.follows is not None:
            parts.append(["follows", msgspec.to_builtins(self.follows)])
        if self.budget:
            parts.append(["budget", self.budget])
        if self.retry is not None:
            parts.append(["retry", msgspec.to_builtins(self.retry)])
        return orjson.dumps(parts)

    @property
    def personalised(self) -> bool:
        """Whether the text has placeholders."""
        return bool(self.template.slots)

    def messages(self, longest: str = "") -> dict[str, Message]:
        """Each account's message, with the `longest` text of a personalised campaign."""
        return {name: _message(name, longest or self.text, self.options, self.kind) for name in self.accounts}


def define(config: Config, request: LaunchRequest, now: datetime) -> Definition:
    """The checked definition; a missing id is generated. Raises UserError (ConfigError, TextError)."""
    campaign, name, weight, unknown = request.id, request.name, request.weight, request.unknown
    kind, frames = request.kind, request.frames
    if campaign is not None and not _ID.fullmatch(campaign):
        raise UserError(
            'the id {campaign!r} must be 1 to {max} of letters, digits, "-", "_" and ".".',
            campaign=campaign,
            max=ID_CHARS_MAX,
            about="--id",
        )
    if len(name) > NAME_CHARS_MAX:
        raise UserError(
            "the name has {count} characters, at most {max} are allowed.",
            count=len(name),
            max=NAME_CHARS_MAX,
            about="--name",
            do="Shorten {about}.",
        )
    if weight is not None and not 1 <= weight <= WEIGHT_MAX:
        raise UserError("the weight {weight} must be 1 to {max}.", weight=weight, max=WEIGHT_MAX, about="--weight")
    if unknown not in POLICIES:
        raise UserError(
            'the policy for unknown results must be "hold" or "resend", not "{unknown}".',
            unknown=unknown,
            about="--unknown",
        )
    terms, steps = read_terms(request, config.hours), read_steps(request)
    retry, defer = _retry(request) if request.retry else None, _defers(request)
    accounts, by_carrier = _route(config, request.route)
    _check_kind(kind, accounts, frames)
    budget = _budget(request.budget, kind, accounts) if request.budget else 0
    template = _template(request.text)
    if kind != "sms" and template.slots:
        first = "{" + template.names[template.slots[0]] + "}"
        raise TextError(
            "all recipients of {kinds} get the same, so {first} cannot stand for their values. Leave it out, or "
            "write {{{{ and }}}} to send braces as they are.",
            kinds=KINDS[kind],
            first=first,
            about="--text",
        )
    options = _options(request.options, request.extno, accounts)
    files = read_frames(frames) if frames is not None else None
    if kind == "mms" and files is not None:
        [(account, vendor)] = accounts.items()
        check_frames(account, vendor, files)
        options[f"{account}.{TITLE_OPTION}"] = template.plain
    compared = [_template(text) for text in steps.texts]
    if any(each.slots for each in compared):
        raise TextError(
            "texts that are compared cannot have placeholders. Leave {{…}} out, or write {{{{ and }}}} to send braces.",
            about="--text",
        )
    steps = msgspec.structs.replace(steps, texts=tuple(each.plain for each in compared))
    for account, vendor in accounts.items():
        mine = options_for(account, options)
        if template.slots:
            check_template(account, vendor, template, mine)
            continue
        for text in steps.texts or (template.plain,):
            check_text(account, vendor, _message(account, text, options, cast("MessageKind", kind)))
    return Definition(
        campaign=campaign or new_id(name, now),
        name=name or campaign or "",
        text=request.text if template.slots else template.plain,
        template=template,
        accounts=accounts,
        weight=weight,
        budget=budget,
        urgent=request.urgent,
        unknown=cast("UnknownPolicy", unknown),
        options=dict(options),
        by=request.by or os_user(),
        kind=cast("MessageKind", kind),
        frames=files,
        terms=terms,
        exclude_campaigns=campaign_parts(request.exclude_campaigns),
        follows=request.follows,
        retry=retry,
        defer=defer,
        deferred_of=request.deferred_of,
        ends_ms=request.ends_ms,
        known_follow_ups=frozenset(request.known_follow_ups),
        steps=steps,
        by_carrier=by_carrier,
    )


def _defers(request: LaunchRequest) -> bool:
    """Whether who is over the frequency cap is deferred. Raises UserError if this campaign cannot do that."""
    if not request.defer:
        return False
    if request.more_texts:
        raise UserError(
            "{about} goes with one text: who is deferred cannot be compared.", about="--defer", do="Leave {about} out."
        )
    if request.budget:
        raise UserError(
            "a budget cannot be shared with drafts of later days.", about="--defer", do="Leave --defer or --budget out."
        )
    if request.kind == "mms":
        raise UserError(
            "a multimedia message cannot be uploaded again by itself.", about="--defer", do="Leave {about} out."
        )
    chars_max = ID_CHARS_MAX - len(".on-20261231")
    if request.id is not None and len(request.id) > chars_max:
        raise UserError(
            "with {about} the id has at most {max} characters: its drafts are ID.on-DAY.",
            max=chars_max,
            about="--defer",
        )
    return True


def _retry(request: LaunchRequest) -> Retry:
    """The rule for retries. Raises UserError if there is no such rule, or this campaign cannot have one."""
    try:
        retry = retry_of(request.retry)
    except RetryBroken as error:
        raise UserError("{about} {error}.", error=error, about="--retry") from error
    if request.kind == "mms":
        raise UserError(
            "a multimedia message cannot be uploaded again by itself.", about="--retry", do="Leave {about} out."
        )
    if request.more_texts:
        raise UserError(
            "recipients of texts that are compared got different ones.",
            about="--retry",
            do="Leave {about} out, or give one --text.",
        )
    chars_max = ID_CHARS_MAX - len(retry_id("", retry.times))
    if request.id is not None and len(request.id) > chars_max:
        raise UserError(
            "with {about} the id has at most {max} characters: its retries are ID.retry-1, …",
            max=chars_max,
            about="--retry",
        )
    return retry


def _budget(written: str, kind: str, accounts: Mapping[str, Vendor]) -> int:
    """The budget in micro-yuan. Raises UserError if it is no amount, or cannot be kept."""
    try:
        budget = micro_yuan(written)
    except ValueError as error:
        raise UserError("{about} {error}.", error=error, about="--budget") from error
    if not budget:
        raise UserError("a budget of 0 CNY pays nothing.", about="--budget", do="Give more, or leave {about} out.")
    if kind == "mms":
        raise UserError(
            "a multimedia message has no price per part, so it cannot have a budget.",
            about="--budget",
            do="Leave {about} out.",
        )
    for account, vendor in accounts.items():
        if vendor.price is None:
            raise UserError(
                'account "{account}" has no price, so a budget cannot be kept. Give it one: [account.{account}] '
                'price = {{ default = "0.045" }}.',
                account=account,
                about="--budget",
            )
    return budget


def _message(account: str, text: str, options: Mapping[str, str], kind: MessageKind) -> Message:
    """The message for an account, as far as it is known before an upload."""
    mine = options_for(account, options)
    return Message(text=NO_URL if kind == "mms" else text, options=mine, kind=kind)


def _check_kind(kind: str, accounts: Mapping[str, Vendor], frames: object) -> None:
    """Raises UserError for an unknown kind, or one that an account of the route does not send."""
    if kind not in KINDS:
        raise UserError('the kind must be {kinds}, not "{kind}".', kinds=", ".join(KINDS), kind=kind, about="--kind")
    if kind == "mms" and frames is None:
        raise UserError("a multimedia message needs its frames: add {about} FOLDER.", about="--frames")
    if kind != "mms" and frames is not None:
        raise UserError("{about} goes with --kind mms: a multimedia message.", about="--frames")
    for account, vendor in accounts.items():
        if kind not in vendor.kinds:
            raise UserError(
                'account "{account}": vendor {vendor} sends {kinds} '
                "only, no {kind}. Send this campaign through another account.",
                account=account,
                vendor=vendor.tag,
                kinds=" and ".join(KINDS[each] for each in vendor.kinds),
                kind=KINDS[kind],
            )
    if kind == "mms" and len(accounts) > 1:
        raise UserError("a multimedia message lies with one vendor.", about="--route", do="Give {about} one account.")


def check_template(account: str, vendor: Vendor, template: Template, options: Mapping[str, str]) -> None:
    """Raises TextError if this account cannot carry the text around the placeholders, or a personalised campaign."""
    where, least = f'account "{account}"', vendor.limits.numbers_min
    if least > 1:
        raise TextError(
            "{where} takes at least {least:,} numbers a request, and the requests of a personalised campaign may have "
            "one. Send it through another account.",
            where=where,
            least=least,
        )
    around = Message(text=template.plain if template.plain.strip() else "-", options=options)
    check_text(account, vendor, around)
    if vendor.variable_limits is None:
        return
    try:
        vendor.prepare_variable(around, template)
    except TextError as error:
        raise TextError("{where}: {error}", where=where, error=error) from error


def _template(text: str) -> Template:
    try:
        return parse(text)
    except TemplateBroken as error:
        raise TextError(
            "the text has {error}. Write {{{{ and }}}} to send braces as they are.", error=error, about="--text"
        ) from error


def _options(options: Mapping[str, str], extno: str, accounts: Mapping[str, Vendor]) -> dict[str, str]:
    """The options with `extno` added under each vendor's name for it."""
    whole = dict(options)
    for name in options:
        account = name.rpartition(".")[0]
        if account and account not in accounts:
            raise UserError(
                'the option "{name}" is for account "{account}", which is not in the route '
                "({accounts}). Check its spelling.",
                name=name,
                account=account,
                accounts=", ".join(accounts),
                about="--option",
            )
    for account, vendor in accounts.items() if extno else ():
        if not vendor.extension:
            raise TextError(
                'account "{account}": {vendor} cannot extend the sender\'s number.',
                account=account,
                vendor=vendor.tag,
                about="--extno",
                do="Leave {about} out, or give it to the other accounts with --option ACCOUNT.NAME=DIGITS.",
            )
        whole[f"{account}.{vendor.extension}"] = extno
    return whole


def new_id(name: str, now: datetime) -> str:
    """A readable new id: date, the part of the name that an id can hold, five random characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower())
    words = [f"{now:%Y%m%d}", slug[:_SLUG_CHARS_MAX].strip("-") or f"{now:%H%M%S}"]
    return "-".join([*words, "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_RANDOM_CHARS))])


def _route(config: Config, route: Sequence[str]) -> tuple[dict[str, Vendor], Route | None]:
    """The accounts of a route, and its rules if it is one of the configuration."""
    if not route:
        raise UserError(
            "the route is empty. Name one account or more, or a route.",
            about="--route",
            do="Write it like this: {about} ACCOUNT[,ACCOUNT…].",
        )
    named = [name for name in route if name in config.routes]
    if named and len(route) > 1:
        raise UserError(
            '"{named}" is a route of the configuration. Give that alone, or only accounts.',
            named=named[0],
            about="--route",
        )
    if named:
        found = config.routes[named[0]]
        accounts = {name: config.account(name) for name in found.accounts}
        check_failover(found, accounts)
        return accounts, found
    accounts = {}
    for name in route:
        if name in accounts:
            raise UserError(
                'account "{name}" is in the route twice. Name each account once.', name=name, about="--route"
            )
        if config.routes and name not in config.accounts and name not in config.unset:
            known, routes = ", ".join(sorted(config.accounts)) or Sentence("none"), ", ".join(sorted(config.routes))
            raise ConfigError(
                'account "{name}" is not in {path} (accounts there: {known}; routes: {routes}). '
                "Add [account.{name}], or name one of those.",
                name=name,
                path=config.path,
                known=known,
                routes=routes,
                about="--route",
            )
        accounts[name] = config.account(name)
    return accounts, None
