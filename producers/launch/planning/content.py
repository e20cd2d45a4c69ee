"""What the content rules cost a launch: its texts and recipients as the judge (dispatcher/content/judge.py) sees them.

Also whether a launch repeats one of the last day: the same text to mostly the same numbers, under another id.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.content.judge import Audience, ContentFinding, Marks, Terms, judge, vendor_findings
from dispatcher.content.rules import Repeats, content_rules, forbidden_in_values
from dispatcher.core.messages.template import Template
from dispatcher.errors import StoreError, TextError
from dispatcher.i18n import _
from dispatcher.store.opening import open_reader
from dispatcher.store.views import CampaignView
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.wording import clock, counted
from producers.launch.definition import Definition
from producers.launch.personal_texts import PersonalTexts
from producers.launch.planning.plan import Texts
from producers.launch.route_split import Slice
from producers.lists.dedupe import Rows
from schemas.states import State

WITHIN_MS: Final = 24 * 3_600_000
SHARE_MIN: Final = 0.5
"""The share of recipients: fewer common numbers are not a repetition."""

VALUE_SIGN: Final = "□"


class EqualTexts(msgspec.Struct, frozen=True):
    """What campaigns of the last day with this launch's text mean for it.

    `notes` warn about each that it repeats, but for the one that it follows. `times[cap]` says how often each recipient
    got the text within the cap's time; it is empty if no campaign has this text.
    """

    notes: tuple[str, ...] = ()
    times: Mapping[Repeats, NDArray[np.uint8]] = {}


def equal_texts(config: Config, definition: Definition, recipients: Rows, views: Sequence[CampaignView]) -> EqualTexts:
    """The campaigns of the last day with the same text. Blocks; reads only those campaigns' numbers."""
    at_ms, follows = now_ms(), definition.follows
    followed = "" if follows is None else follows.campaign
    never_sent = follows is not None and follows.states == (State.CANCELLED.word,)
    apart = {definition.campaign, followed} if never_sent else {definition.campaign}
    alike = [
        view
        for view in views
        if view.id not in apart and view.text == definition.text and view.launched_ms >= at_ms - WITHIN_MS
    ]
    if not alike:
        return EqualTexts()
    count = len(recipients)
    numbers = recipients.numbers(0, count)
    order = np.argsort(numbers)
    ascending = numbers[order]
    times = {cap: np.zeros(count, np.uint8) for rule in content_rules() for cap in rule.repeats}
    notes = []
    try:
        with contextlib.closing(open_reader(config.store)) as reader:
            for view in alike:
                common = np.zeros(count, np.bool_)
                for page in reader.pages(view.id):
                    at = np.minimum(np.searchsorted(ascending, page.numbers), count - 1)
                    common[order[at[ascending[at] == page.numbers]]] = True
                for cap, column in times.items():
                    if at_ms - view.launched_ms < cap.within_s * 1000:
                        column += common & (column < np.iinfo(np.uint8).max)
                if view.id != followed and np.count_nonzero(common) >= SHARE_MIN * count:
                    notes.append(
                        _(
                            "THE SAME TEXT AGAIN: {many:,} of {count} are in {id}, which has this text and was "
                            "launched "
                            "at {time} by {person}",
                            many=np.count_nonzero(common),
                            count=counted(count, "recipient"),
                            id=view.id,
                            time=clock(view.launched_ms),
                            person=view.launched_by,
                        )
                    )
    except StoreError as error:
        return EqualTexts((_("whether this repeats a campaign of the last day is not known: {error}", error=error),))
    return EqualTexts(tuple(notes), times)


class LaunchWording:
    """The texts of a launch (dispatcher/content/judge.py, Wording)."""

    def __init__(
        self, template: Template, texts: Texts, personal_texts: PersonalTexts | None, equal: EqualTexts
    ) -> None:
        self.longest: Final = texts.longest
        self.fixed: Final = template.marked(VALUE_SIGN) if personal_texts is not None else texts.longest
        self._personal_texts: Final = personal_texts
        self._equal: Final = equal

    def matching(self, pattern: str) -> Marks | None:
        return self._personal_texts.matching(pattern) if self._personal_texts is not None and self._odd_values else None

    @cached_property
    def _odd_values(self) -> bool:
        """Whether some value has something that a rule forbids there."""
        return self._personal_texts is not None and self._personal_texts.matching(forbidden_in_values()) is not None

    def longer(self, chars: int) -> Marks | None:
        return None if self._personal_texts is None else self._personal_texts.longer(chars)

    def repeated(self, cap: Repeats) -> Marks | None:
        times = self._equal.times.get(cap)
        if times is None:
            return None
        marks: Marks = times >= cap.times
        return marks if marks.any() else None


def audience(accounts: Sequence[str], parts: Sequence[Slice], carriers: NDArray[np.uint8]) -> Audience:
    """The recipients of a launch, whose `parts` are in its order."""
    places = {name: place for place, name in enumerate(accounts)}
    route = np.array([places[part.account] for part in parts], np.uint8)
    return Audience(carriers, np.repeat(route, [part.count for part in parts]))


def content_findings(
    definition: Definition, wordings: Sequence[LaunchWording], recipients: Audience, on: date
) -> tuple[ContentFinding, ...]:
    """What the rules and the vendors say about a launch of this wording, or of these, which are compared.

    Raises TextError where an account's code table refuses one.
    """
    terms = Terms(kind=definition.kind, campaign_class=definition.terms.campaign_class, on=on)
    found: list[ContentFinding] = []
    for wording in wordings:
        ours = judge(wording, definition.accounts, terms, recipients)
        theirs = vendor_findings(definition.accounts, definition.messages(wording.longest))
        found += [finding for finding in (*ours, *theirs) if finding not in found]
    for finding in found:
        if finding.severity == "error":
            raise refused(finding, definition.accounts)
    return tuple(found)


def refused(finding: ContentFinding, accounts: Mapping[str, Vendor]) -> TextError:
    """The error for a text that the accounts of this finding refuse."""
    name = finding.accounts[0]
    meaning = accounts[name].codes.meaning(finding.code)
    return TextError(
        'account "{name}": {says}, so the vendor refuses it (code {code}: {meaning}). {upper}{change}.',
        name=name,
        says=finding.says,
        code=finding.code,
        meaning=meaning,
        upper=finding.change[0].upper(),
        change=finding.change[1:],
    )
