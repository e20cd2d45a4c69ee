"""putMt: who may send what to whom, what is charged, and an mtID for every number (vendors.md 1.5, 8.1).

Weak spot: what is checked first when several things are wrong is not documented; ours is one possible order, that of
`_refusal`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.cosms import account as accounts
from loadtest.sim.cosms import ids as cosms_ids
from loadtest.sim.cosms import recipients as cosms_recipients
from loadtest.sim.cosms import text as cosms_text
from loadtest.sim.cosms.answer import NOT_TAKEN, answer, line_end
from loadtest.sim.cosms.files import SIZE_BYTES_MAX, Files
from loadtest.sim.cosms.login import Logins, word
from loadtest.sim.cosms.recipients import DOMESTIC, ILLEGAL, INTERNATIONAL, UNSUPPORTED, Recipients
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.requests.submission import Order, Verdict, decide, parts, record, report
from loadtest.sim.state import ArrivedRequest, State

MMS, WAP, ABROAD = "3000", "4000", "5000"
LEVELS = (b"1", b"2", b"3")
LEVEL_BY_COUNT = ((100, b"3"), (10, b"2"))
KIND_CHARS_MAX = 20
ILLEGAL_CONTENT = "3"
FORMS_OF_FOUR = 10_000  # beginnings of numbers with four digits


class Submit(NamedTuple):
    """A submit request, taken apart; the order's text is None if it cannot be read, "" if there is none."""

    fields: dict[str, bytes]
    recipients: Recipients
    order: Order
    text_format: int | None
    length: int
    link: str

    def costs(self, recipients: Recipients) -> dict[str, int]:
        """What sending to these is charged, by credit."""
        if self.link == MMS:
            return {accounts.MMS: recipients.size}
        abroad = recipients.places(INTERNATIONAL).size if recipients.kinds is not None else 0
        each = self.order.parts
        return {accounts.DOMESTIC: (recipients.size - abroad) * each, accounts.INTERNATIONAL: abroad * each}


class Sent(NamedTuple):
    """What the history wants to know of an entry besides."""

    sub_number: str
    abroad: bool


class Sending:
    """Carries one simulator's submits out."""

    def __init__(self, state: State, logins: Logins, files: Files) -> None:
        self._state = state
        self._logins = logins
        self._files = files
        self._ids = cosms_ids.MtIds()
        self._known: tuple[object, NDArray[np.bool_]] = (None, np.zeros(FORMS_OF_FOUR, bool))

    def send(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """putMt."""
        state = self._state
        switches = state.switches
        book = self._logins.book(fields)
        if book is None:
            state.ledger.unmatched["202"] += 1
            return answer(switches, "202")
        submit = self._submit(book, fields)
        good = "200" if switches.partial_code == "200" and submit.recipients.size > 1 else "100"

        def check(fits: bool) -> str:
            return self._refusal(arrived, book, submit, fits) or good

        verdict = decide(state, arrived, book, submit.order, check, good, NOT_TAKEN)
        if verdict.accepted:
            return self._take(arrived, book, submit, verdict)
        if submit.recipients.size:
            record(state, arrived, book, submit.order, verdict, "", wants_report=False)
        return answer(switches, verdict.code, rule=verdict.rule)

    def _submit(self, book: Book, fields: dict[str, bytes]) -> Submit:
        switches, account = self._state.switches, book.config
        recipients = cosms_recipients.read(fields.get("mobs", b""), switches.treat86)
        asked = word(fields, "msgformat")
        text_format = int(asked) if asked in cosms_text.FORMATS else None
        raw = fields.get("msg", b"")
        text = "" if text_format is None else cosms_text.decoded(raw, text_format)
        units = form.length(text or "", "utf16")
        length = units if switches.length_unit == "utf16" else len(text or "")
        link = word(fields, "linkid")
        is_split = switches.charge_unit == "parts" and link not in (MMS, WAP)
        charged = parts(units, account.split_single, account.split_multi) if is_split else 1
        return Submit(fields, recipients, Order(recipients.parsed, text, charged), text_format, length, link)

    def _refusal(self, arrived: ArrivedRequest, book: Book, submit: Submit, fits: bool) -> str:
        """The code; "" if nothing is wrong."""
        state, fields = self._state, submit.fields
        switches = state.switches
        stranger = self._logins.refusal(arrived, book, fields)
        if stranger:
            return stranger
        if not book.config.may_send:
            return "207" if book.config.sub_of else "400"
        if not fits and switches.enforce != "off":
            return str(switches.enforce)
        if switches.busy_over and state.in_work > switches.busy_over:
            return "501"
        return (
            self._wrong_text(submit)
            or self._wrong_parameter(book, submit)
            or self._wrong_numbers(submit)
            or self._wrong_kind(book, submit)
            or accounts.refusal(state.ledger, book, self._all_costs(submit))
            or self._failed(book, submit)
        )

    def _wrong_text(self, submit: Submit) -> str:
        switches, text = self._state.switches, submit.order.text
        if submit.text_format is None:
            return "401"
        if not submit.fields.get("msg"):
            return "405"
        if text is None:
            return "407"
        return "406" if submit.length > switches.max_chars else ""

    def _wrong_parameter(self, book: Book, submit: Submit) -> str:
        switches, fields, count = self._state.switches, submit.fields, submit.recipients.size
        if not count:
            return "402"
        if count > switches.max_numbers or len(fields["mobs"]) > switches.mobs_chars_max:
            return "403"
        level = fields.get("mtlevel", b"")
        if level not in LEVELS:
            return "410"
        if any(count > over and level < least for over, least in LEVEL_BY_COUNT):
            book.violations["level_too_low"] += 1
            if switches.mtlevel_enforce == "410":
                return "410"
        sub_number = fields.get("subnumber", b"")
        if sub_number and (not sub_number.isdigit() or len(sub_number) > switches.sub_number_max):
            return "408"
        if submit.link not in ("", MMS, WAP, ABROAD):
            return "409"
        kind = cosms_text.decoded(fields.get("kindflag", b""), submit.text_format or 0)
        if kind is None:
            return "407"
        if len(kind) > KIND_CHARS_MAX:
            book.violations["kind_too_long"] += 1
        return ""

    def _wrong_numbers(self, submit: Submit) -> str:
        switches, recipients = self._state.switches, submit.recipients
        if recipients.has(ILLEGAL):
            legal = recipients.places(DOMESTIC, INTERNATIONAL, UNSUPPORTED)
            if switches.bad_number != "skip_row" or not legal.size:
                return "404"
        if recipients.has(UNSUPPORTED):
            return "411"
        if submit.link == ABROAD and recipients.has(DOMESTIC):
            return "409"
        if switches.intl_linkid_required == "on" and submit.link != ABROAD and recipients.has(INTERNATIONAL):
            return "409"
        return ""

    def _wrong_kind(self, book: Book, submit: Submit) -> str:
        """Of WAP pushes and MMS."""
        if submit.link == WAP:
            if submit.text_format == cosms_text.GB or not cosms_text.is_wap(submit.order.text or ""):
                return "412"
            return "" if self._is_china_mobile(submit.recipients) else "413"
        if submit.link == MMS:
            frames = self._files.frames(submit.order.text or "")
            if frames is None:
                return "300"
            if self._files.size(frames) > SIZE_BYTES_MAX:
                book.violations["mms_too_large"] += 1
        return ""

    def _is_china_mobile(self, recipients: Recipients) -> bool:
        prefixes = self._state.switches.china_mobile
        if self._known[0] is not prefixes:
            known = np.zeros(FORMS_OF_FOUR, bool)
            for prefix in prefixes:
                first = int(prefix[:4].ljust(4, "0"))
                known[first : first + 10 ** (4 - len(prefix[:4]))] = True
            self._known = (prefixes, known)
        column = recipients.parsed.column
        if recipients.kinds is not None:
            if recipients.has(INTERNATIONAL):
                return False
            column = column[recipients.kinds == DOMESTIC]
        return bool((column >= 0).all() and self._known[1][column // 10_000_000].all())

    def _all_costs(self, submit: Submit) -> dict[str, int]:
        return submit.costs(_only(submit.recipients, submit.recipients.places(DOMESTIC, INTERNATIONAL)))

    def _failed(self, book: Book, submit: Submit) -> str:
        """AMB-COSMS-21."""
        wanted = self._state.switches.putmt_300
        if wanted != "once":
            return "300" if wanted == "always" else ""
        asked, before = hash((submit.fields["mobs"], submit.fields["msg"])), accounts.own(book).refused_once
        if asked in before:
            return ""
        before.add(asked)
        return "300"

    def _take(self, arrived: ArrivedRequest, book: Book, submit: Submit, verdict: Verdict) -> Reply:
        """Write accepted numbers down, in as many entries as there are fates, and answer with their mtIDs."""
        state, recipients = self._state, submit.recipients
        taken = recipients.places(DOMESTIC, INTERNATIONAL)
        if verdict.code == "200":
            taken = taken[: (taken.size + 1) // 2]
        if taken.size < recipients.size:
            left = np.setdiff1d(np.arange(recipients.size), taken)
            refused = submit.order._replace(parsed=recipients.chosen(left))
            record(state, arrived, book, refused, verdict._replace(accepted=False), "", wants_report=False)
            recipients = _only(recipients, taken)
        accounts.charge(state.ledger, book, submit.costs(recipients), state.clock)
        kind = cosms_text.decoded(submit.fields.get("kindflag", b""), submit.text_format or 0)
        if kind:
            book.kinds[kind[:KIND_CHARS_MAX]] += recipients.size
        reply = answer(state.switches, verdict.code, rule=verdict.rule)
        rows = self._recorded(arrived, book, submit, recipients, verdict, reply)
        if verdict.code in ("100", "200") and not (verdict.rule and verdict.rule.body is not None):
            reply.body += rows
        return reply

    def _recorded(
        self,
        arrived: ArrivedRequest,
        book: Book,
        submit: Submit,
        recipients: Recipients,
        verdict: Verdict,
        reply: Reply,
    ) -> bytes:
        """The rows of the answer."""
        state = self._state
        switches = state.switches
        forced = ILLEGAL_CONTENT if any(w in (submit.order.text or "") for w in switches.sensitive_words) else None
        sub_number = submit.fields.get("subnumber", b"").decode("latin-1")
        groups: list[tuple[str, NDArray[np.intp]]] = []
        for abroad, places in ((False, recipients.places(DOMESTIC)), (True, recipients.places(INTERNATIONAL))):
            if not places.size:
                continue
            request = self._ids.next(switches.mtid_order == "scattered")
            wants = not abroad or state.reports.planner.chance(switches.intl_reports)
            order = submit.order._replace(
                parsed=recipients.parsed if places.size == recipients.size else recipients.chosen(places)
            )
            entry = record(state, arrived, book, order, verdict, request, wants)
            entry.more = Sent(sub_number, abroad)
            report(state, entry, reply, forced=forced)
            groups.append((request, places))
        return _rows(groups, line_end(switches))


def _only(recipients: Recipients, places: NDArray[np.intp]) -> Recipients:
    """Those at these places."""
    if places.size == recipients.size or recipients.kinds is None:
        parsed = recipients.parsed if places.size == recipients.size else recipients.chosen(places)
        return Recipients(parsed, recipients.kinds)
    return Recipients(recipients.chosen(places), recipients.kinds[places])


def _rows(groups: list[tuple[str, NDArray[np.intp]]], end: bytes) -> bytes:
    """`0,mtID` for every number, in their order; one join for the thousand of a request."""
    if len(groups) == 1:
        [(request, places)] = groups
        first = b"0," + request.encode()
        return first + (end + first).join(cosms_ids.endings(request)[: places.size]) + end
    rows: dict[int, bytes] = {}
    for request, places in groups:
        for place, ending in zip(places.tolist(), cosms_ids.endings(request), strict=False):
            rows[place] = b"0,%b%b" % (request.encode(), ending)
    return end.join([*(rows[place] for place in sorted(rows)), b""])
