"""Judges a campaign's text by the content rules: what each rule would cost, by carrier, and what to change.

Pure: a text, accounts and the carriers of their recipients in, findings out. A rule is a warning, because no document
says exactly what a carrier lets through; it is an error only where the account's own code table refuses the text.
Weak spot: of a personalised campaign, what a rule needs is looked for in the longest text only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.content.rules import Repeats, Rule, content_rules
from dispatcher.core.carriers import Carrier
from dispatcher.core.messages.text import units
from dispatcher.vendors.seam.vendor import Message, Vendor
from schemas.records import CampaignClass, MessageKind

FOUND_CHARS_MAX: Final = 60
VENDOR: Final = "vendor"
"""The rule's name in a finding that is the vendor's own (`Vendor.notes`)."""

Marks = NDArray[np.bool_]
"""For each recipient of the campaign, in its order, whether something is so."""


class ContentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says about a text at `accounts`, and what to change, in English and Chinese.

    `recipients` is how many it may cost, `carriers` the same by the word of the carrier; both are empty where nobody
    counted. `code` is the code of the vendor's table, `source` who made the rule, `read` when it was read.
    """

    rule: str
    severity: Literal["warning", "error"]
    accounts: tuple[str, ...]
    says: str
    chinese: str
    change: str
    change_chinese: str
    recipients: int = 0
    carriers: dict[str, int] = {}
    code: str = ""
    source: str = ""
    read: str = ""


class Wording(Protocol):
    """The text of a campaign, or its texts."""

    @property
    def longest(self) -> str:
        """The longest text, as a phone gets it."""
        ...

    @property
    def fixed(self) -> str:
        """What every recipient gets, with a sign in place of each value."""
        ...

    def matching(self, pattern: str) -> Marks | None:
        """Whose values match; None: nobody's, because there are none."""
        ...

    def longer(self, chars: int) -> Marks | None:
        """Whose text has more UTF-16 units; None: everybody's has as many as the longest."""
        ...

    def repeated(self, cap: Repeats) -> Marks | None:
        """Who got this text too often to get it again; None: nobody."""
        ...


class Plain:
    """One text for everybody, judged without a list."""

    def __init__(self, text: str) -> None:
        self.longest = self.fixed = text

    def matching(self, pattern: str) -> Marks | None:
        return None

    def longer(self, chars: int) -> Marks | None:
        return None

    def repeated(self, cap: Repeats) -> Marks | None:
        return None


class Audience(msgspec.Struct, frozen=True):
    """The recipients of a campaign in its order: the carrier of each, and the index of its account in the route."""

    carriers: NDArray[np.uint8]
    accounts: NDArray[np.uint8]

    def count(self, account: int, marks: Marks | None, meant: frozenset[Carrier]) -> dict[str, int]:
        """How many recipients of this account a rule is about, by the word of their carrier."""
        chosen = self.accounts == account
        if marks is not None:
            chosen &= marks
        counts = np.bincount(self.carriers[chosen], minlength=len(Carrier)).tolist()
        return {carrier.word: counts[carrier] for carrier in Carrier if carrier in meant and counts[carrier]}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What else decides whether a rule applies."""

    kind: MessageKind
    campaign_class: CampaignClass
    on: date


class _Broken(msgspec.Struct, frozen=True):
    """A rule that a text breaks: the part that is meant, and whose text it is (None: everybody's)."""

    found: str = ""
    marks: Marks | None = None


def judge(
    wording: Wording, accounts: Mapping[str, Vendor], terms: Terms, audience: Audience | None = None
) -> tuple[ContentFinding, ...]:
    """What the rules say about this text on this route, errors first. Without an audience nothing is counted."""
    found = [
        finding
        for rule in content_rules()
        if terms.kind in rule.kinds and (not rule.classes or terms.campaign_class in rule.classes)
        for finding in _of_rule(rule, wording, accounts, terms.on, audience)
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def vendor_findings(accounts: Mapping[str, Vendor], messages: Mapping[str, Message]) -> tuple[ContentFinding, ...]:
    """The vendors' own notes about their messages, by account."""
    return tuple(
        ContentFinding(
            rule=VENDOR, severity="warning", accounts=(name,), says=note, chinese="", change="", change_chinese=""
        )
        for name, vendor in accounts.items()
        for note in vendor.notes(messages[name])
    )


def _of_rule(
    rule: Rule, wording: Wording, accounts: Mapping[str, Vendor], on: date, audience: Audience | None
) -> Iterator[ContentFinding]:
    """A finding for each way in which accounts take this rule: as a warning or an error, with another footer."""
    meant = rule.enforced_by(on)
    if not meant or (rule.since is not None and rule.since > on):
        return
    alike: dict[tuple[str, str], list[str]] = {}
    costs: dict[tuple[str, str], dict[str, int]] = {}
    broken_by: dict[tuple[str, str], _Broken] = {}
    for index, (name, vendor) in enumerate(accounts.items()):
        if not _applies(rule, vendor):
            continue
        footer = str(getattr(vendor, rule.needs_setting)) if rule.needs_setting else ""
        broken = _broken(rule, wording, footer)
        if broken is None:
            continue
        cost = audience.count(index, broken.marks, meant) if audience is not None else {}
        if audience is not None and not cost:
            continue
        way = (_refusing_code(rule, vendor), footer)
        alike.setdefault(way, []).append(name)
        broken_by[way] = broken
        total = costs.setdefault(way, {})
        for word, count in cost.items():
            total[word] = total.get(word, 0) + count
    for (code, footer), names in alike.items():
        yield _finding(rule, names, broken_by[code, footer].found, footer, code, costs[code, footer])


def _applies(rule: Rule, vendor: Vendor) -> bool:
    """Whether this account's settings, and its vendor, are those of the rule."""
    if any(getattr(vendor, key) != value for key, value in rule.only_when.items()):
        return False
    if any(getattr(vendor, key) == value for key, value in rule.off_when.items()):
        return False
    return not rule.refused_by or bool(rule.strict_when) or vendor.tag in rule.refused_by


def _refusing_code(rule: Rule, vendor: Vendor) -> str:
    """The code by which the account's own table refuses such a text; "": it is not known to."""
    if not rule.strict_when or any(getattr(vendor, key) != value for key, value in rule.strict_when.items()):
        return ""
    code = rule.refused_by.get(vendor.tag, "")
    return code if code and vendor.codes.find(code) is not None else ""


def _broken(rule: Rule, wording: Wording, footer: str) -> _Broken | None:
    """How a text breaks the rule, or None."""
    if footer:
        return None if _ends_with(wording.longest, footer) else _Broken()
    if rule.needs:
        return None if rule.pattern.search(wording.longest) else _Broken()
    if rule.forbids:
        if at := rule.pattern.search(wording.fixed):
            return _Broken(_found(at.groupdict().get("found") or at[0]))
        marks = wording.matching(rule.forbids) if rule.in_values else None
        return None if marks is None else _Broken("in some recipients' values", marks)
    if rule.chars_max and units(wording.longest) > rule.chars_max:
        return _Broken(marks=wording.longer(rule.chars_max))
    for cap in rule.repeats:
        if (marks := wording.repeated(cap)) is not None:
            return _Broken(f"{cap.times} in {cap.within_s} s", marks)
    is_about_kind_alone = not rule.chars_max and not rule.repeats
    return _Broken() if is_about_kind_alone else None


def _ends_with(text: str, footer: str) -> bool:
    """Whether a text ends with this footer; a signature may follow it."""
    body = text.rstrip()
    if body.endswith("】"):
        body = body[: body.rfind("【")].rstrip() if "【" in body else body
    return body.endswith(footer) or text.rstrip().endswith(footer)


def _found(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= FOUND_CHARS_MAX else f"{text[:FOUND_CHARS_MAX]}…"


def _finding(
    rule: Rule, accounts: list[str], found: str, footer: str, code: str, cost: dict[str, int]
) -> ContentFinding:
    says, chinese = (words.replace("{found}", found) for words in (rule.says, rule.chinese))
    change, change_chinese = rule.change, rule.change_chinese
    if footer:
        says, chinese = f"the text does not end with {footer}", f"短信末尾没有“{footer}”"
        change, change_chinese = f"end it with {footer} (opt_out_footer)", f"请以“{footer}”结尾"
    return ContentFinding(
        rule=rule.name,
        severity="error" if code else "warning",
        accounts=tuple(accounts),
        says=says,
        chinese=chinese,
        change=change,
        change_chinese=change_chinese,
        recipients=sum(cost.values()),
        carriers=cost,
        code=code,
        source=rule.source.title,
        read=rule.source.read.isoformat(),
    )
