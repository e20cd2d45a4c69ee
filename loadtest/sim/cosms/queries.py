"""What COSMS is asked: reports, messages, balances, history, another login (vendors.md 1.6 to 1.10).

Reports and messages that were given in an answer that went out whole count as acked; those of a spoiled answer (cut,
never sent) only as pushed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from loadtest.sim.clock import SHANGHAI
from loadtest.sim.cosms import account as accounts
from loadtest.sim.cosms import ids as cosms_ids
from loadtest.sim.cosms.account import own
from loadtest.sim.cosms.answer import NOT_TAKEN, answer, line_end, lines
from loadtest.sim.cosms.codes_and_switches import HISTORY
from loadtest.sim.cosms.countries import country_code
from loadtest.sim.cosms.login import Logins, login_name, word
from loadtest.sim.cosms.text import FORMATS, encoded, row_format
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.columns import distinct
from loadtest.sim.ledger.ledger import ACKED, GIVEN_UP, PUSHED, Book, Entry
from loadtest.sim.reports.mailbox import Mailbox
from loadtest.sim.reports.schedule import Rows
from loadtest.sim.requests import text_rows as stencil
from loadtest.sim.requests.faults import Rule
from loadtest.sim.state import ArrivedRequest, State

# Faults that leave the answer whole and readable.
WHOLE = ("delay", "wrong_charset", "chunked", "http10_close", "connection_close", "body_100k", "slow_drip")

HISTORY_SPAN = timedelta(minutes=30)
LOGIN_NAME = re.compile(r"[A-Za-z0-9_]{2,20}")
MINUTE_S = 60

# Given the account and whether the answer will go out whole: the code, and complete lines.
Answering = Callable[[Book, bool], tuple[str, bytes]]


class Queries:
    """Answers one simulator's queries."""

    def __init__(self, state: State, logins: Logins) -> None:
        self._state = state
        self._logins = logins
        self._prefixes: tuple[object, tuple[str, ...]] = (None, ())

    def ask(self, on: str, arrived: ArrivedRequest, fields: dict[str, bytes], answering: Answering) -> Reply:
        """Log in, look for a rule on `on`, answer; all of it counted."""
        state = self._state
        book = self._logins.book(fields)
        if book is None:
            state.ledger.unmatched["202"] += 1
            return answer(state.switches, "202")
        if on == "balance":
            book.balance_requests += 1
        rule = state.rules.pick(on, book.config.name)
        code, rows = self._carried_out(arrived, book, fields, rule, answering)
        book.codes[f"{on} {code}"] += 1
        if rule is not None:
            book.faults[f"{on} {rule.name}"] += 1
        return answer(state.switches, code, rows, rule)

    def _carried_out(
        self, arrived: ArrivedRequest, book: Book, fields: dict[str, bytes], rule: Rule | None, answering: Answering
    ) -> tuple[str, bytes]:
        if rule is not None and rule.code:
            return rule.code, b""
        if rule is not None and not rule.is_taken:
            return NOT_TAKEN, b""
        refused = self._logins.refusal(arrived, book, fields)
        if refused:
            return refused, b""
        return answering(book, rule is None or rule.fault in WHOLE)

    # reports and messages

    def reports(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """getReport."""

        def page(book: Book, whole: bool) -> tuple[str, bytes]:
            switches = self._state.switches
            if self._too_soon(arrived, book, "report", switches.report_interval):
                return "502", b""
            rows = self._page(self._state.reports.mailbox(book), switches.report_kept_s, book)
            said = self._reported(book, rows, whole)
            if rows.size and self._state.reports.planner.chance(switches.report_unknown_ids):
                book.reports_stray += 1
                stray = cosms_ids.stray(bytes(self._state.ledger.columns.ids(rows["entry"][:1])[0]))
                said += lines(switches, [stray + b"000,0"])
            return ("100", said) if said else ("300", b"")

        return self.ask("reports", arrived, fields, page)

    def _reported(self, book: Book, rows: Rows, whole: bool) -> bytes:
        if not rows.size:
            return b""
        ledger = self._state.ledger
        columns = ledger.columns
        addresses = columns.addresses(rows["entry"], rows["place"])
        before = columns.mark(addresses, PUSHED | ACKED if whole else PUSHED, clear=GIVEN_UP if whole else 0)
        book.reports_pushed += distinct(addresses[before & PUSHED == 0])
        if whole:
            book.reports_acked += distinct(addresses[before & ACKED == 0])
            book.reports_given_up -= distinct(addresses[before & GIVEN_UP != 0])
        names = [(name or "").encode() for name in ledger.status_names]
        first, ending = cosms_ids.texts(columns.ids(rows["entry"]), rows["place"])
        values = stencil.chosen(names, rows["status"])
        return stencil.lines(rows.size, first, ending, b",", values, line_end(self._state.switches))

    def messages(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """getMo."""

        def page(book: Book, whole: bool) -> tuple[str, bytes]:
            switches = self._state.switches
            asked = word(fields, "msgformat")
            if asked not in FORMATS:
                return "401", b""
            if self._too_soon(arrived, book, "mo", switches.mo_interval):
                return "502", b""
            kept = own(book)
            shown = self._page(kept.inbound, switches.mo_kept_s)["place"].tolist()
            if not shown:
                return "300", b""
            if whole:
                book.inbound_acked += len(set(shown) - kept.fetched)
                kept.fetched.update(shown)
            rows = []
            for place, message in enumerate(kept.messages[i] for i in shown):
                said, text = encoded(message.text, row_format(switches.row_format, int(asked), place))
                told = (said, message.mo_id, message.time, message.mobile, message.dest)
                rows.append(",".join(map(str, told)).encode() + b"," + text)
            return "100", lines(switches, rows)

        return self.ask("inbound", arrived, fields, page)

    def _too_soon(self, arrived: ArrivedRequest, book: Book, what: str, interval: float) -> bool:
        state = self._state
        interval_s = interval * (MINUTE_S if state.switches.interval_unit == "minutes" else 1)
        if own(book).too_soon(what, state.clock.at(arrived.at_s), interval_s):
            book.violations[f"{what}_too_fast"] += 1
            return True
        return False

    def _page(self, mailbox: Mailbox, kept_s: float, book: Book | None = None) -> Rows:
        """What is given now; of what expired, the reports of `book` are counted as given up."""
        state = self._state
        switches, now_s = state.switches, time.monotonic()
        count = switches.page_rows if switches.push == "on" else 0
        rows = mailbox.page(now_s, count, switches.poll_mode, now_s - state.clock.real_s(kept_s))
        gone = mailbox.take_expired()
        if gone.size and book is not None:
            columns = state.ledger.columns
            addresses = columns.addresses(gone["entry"], gone["place"])
            never = addresses[columns.flags(addresses) & (ACKED | GIVEN_UP) == 0]
            columns.mark(never, GIVEN_UP)
            book.reports_given_up += distinct(never)
        return rows

    # balances

    def balance(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """corpCanSend."""

        def balances(book: Book, whole: bool) -> tuple[str, bytes]:
            state = self._state
            figures: list[int] = []
            for credit in (accounts.DOMESTIC, accounts.INTERNATIONAL):
                figures += [accounts.left(book, credit), *accounts.sent(book, credit, state.clock)]
            figures.append(accounts.left(book, accounts.MMS))
            shown = figures[: state.switches.balance_lines - 1]
            return "100", lines(state.switches, [b"%d" % max(figure, 0) for figure in shown])

        return self.ask("balance", arrived, fields, balances)

    # history

    def history(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """getHistSms."""

        def rows(book: Book, whole: bool) -> tuple[str, bytes]:
            state = self._state
            switches = state.switches
            asked = word(fields, "msgformat")
            if asked not in FORMATS:
                return "401", b""
            if own(book).too_soon("history", state.clock.at(arrived.at_s), switches.hist_interval):
                book.violations["history_too_fast"] += 1
                return str(switches.hist_fast_code), b""
            window = self._window(word(fields, "stime"), word(fields, "etime"))
            if window is None:
                return "414", b""
            found = self._sent(book, *window, int(asked))
            return ("100", lines(switches, found)) if found else ("300", b"")

        return self.ask("history", arrived, fields, rows)

    def _window(self, start: str, end: str) -> tuple[float, float] | None:
        """Both times in seconds since 1970, or None if one is wrong or they are beyond the limits."""
        first, last = _time(start), _time(end)
        now = self._state.clock.local()
        if first is None or last is None or (first.year, first.month) != (now.year, now.month):
            return None
        if first.date() != last.date() or not timedelta(0) <= last - first <= HISTORY_SPAN:
            return None
        return first.timestamp(), last.timestamp()

    def _sent(self, book: Book, start_s: float, end_s: float, requested: int) -> list[bytes]:
        state = self._state
        subs = {b.config.name for b in state.ledger.books.values() if b.config.sub_of == book.config.name}
        found: list[bytes] = []
        for entry in state.ledger.entries:
            mine = entry.account is book or entry.account.config.name in subs
            if mine and entry.accepted and start_s <= int(entry.arrived_s) <= end_s:
                self._told(entry, requested, found)
            if len(found) >= state.switches.hist_rows:
                return found[: state.switches.hist_rows]
        return found

    def _told(self, entry: Entry, requested: int, rows: list[bytes]) -> None:
        """A row for each number of an entry."""
        state = self._state
        switches, ledger, more = state.switches, state.ledger, entry.more
        account = entry.account.config
        text = ledger.texts[entry.text] if entry.text >= 0 else ""
        sub = f"{account.account if account.sub_of else 0}," if switches.hist_columns == 9 else ""
        sent_at = state.clock.local(entry.arrived_s).strftime("%Y%m%d%H%M%S")
        dest = switches.number + more.sub_number
        is_old = state.clock.now() - entry.arrived_s > switches.report_delay_max_s
        for place, ending in zip(range(entry.numbers.size), cosms_ids.endings(entry.vendor_id), strict=False):
            number = numbers.text(int(entry.numbers[place]), ledger.odd)
            country = country_code(number.encode()).decode() if more.abroad else ""
            mob = number.removeprefix(country) if switches.hist_mob == "local" else number
            status = self._status(entry, place, number, is_old)
            said, shown = encoded(text, row_format(switches.row_format, requested, len(rows)))
            told = (entry.vendor_id + ending.decode(), sent_at, mob, country, dest, status)
            rows.append(f"{said},{sub}{','.join(told)},".encode() + shown)

    def _status(self, entry: Entry, place: int, number: str, is_old: bool) -> str:
        """In the operator's words (Annex A)."""
        name = self._state.ledger.status_names[int(entry.status[place])]
        if name is None or not (is_old or entry.flags[place] & PUSHED):
            return str(self._state.switches.hist_pending)
        prefixes = self._state.switches.china_mobile
        if self._prefixes[0] is not prefixes:
            self._prefixes = (prefixes, tuple(prefixes))
        mobile, other = HISTORY.get(name, (name, name))
        return mobile if number.startswith(self._prefixes[1]) else other

    # another login

    def change_login(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """changeLogin; success is 100, as vendors.md 1.10 reads."""

        def change(book: Book, whole: bool) -> tuple[str, bytes]:
            name, password = word(fields, "newloginname"), word(fields, "newpassword")
            if fields.get("newloginname") and not LOGIN_NAME.fullmatch(name):
                return "415", b""
            others = (b for b in self._state.ledger.books.values() if b is not book)
            if name and any(login_name(other).upper() == name.upper() for other in others):
                return "416", b""
            if not password or "--" in password:
                return "417", b""
            changed: dict[str, Any] = {"login_name": name or book.config.login_name, "pswd": password}
            book.config = replace(book.config, **changed)
            return "100", b""

        return self.ask("login", arrived, fields, change)


def _time(said: str) -> datetime | None:
    if len(said) != 14 or not (said.isascii() and said.isdigit()):
        return None
    try:
        return datetime.strptime(said, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    except ValueError:
        return None
