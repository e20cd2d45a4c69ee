"""COSMS 3.1 over HTTP: an account, and how it sends (vendors.md 1, 8.1). Pure: values in, values out.

The wire format is in wire.py, the calls in calls.py, reports and messages in pages.py and pushes.py, WAP pushes and
multimedia messages in media.py.
Weak spots: with the one-time password every call costs a second round trip; reports of international messages mostly
never come; and the document gives pushes no secret, only an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final

from dispatcher.core.messages.text import Split, not_carried, units
from dispatcher.errors import TextError, UserError
from dispatcher.vendors.cosms import calls, media, pages
from dispatcher.vendors.cosms.calls import Login
from dispatcher.vendors.cosms.codes import CODES
from dispatcher.vendors.cosms.wire import FORMAT_UTF8, charset_of, escaped
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.escapes import TextForm
from dispatcher.vendors.reading.text_checks import check_length
from dispatcher.vendors.seam.vendor import (
    BalanceFlow,
    Codes,
    HistoryFlow,
    HistoryLimits,
    HttpVendor,
    InboundParsed,
    Limits,
    Message,
    MessageKind,
    Operation,
    Poll,
    PublishFlow,
    Push,
    PushProof,
    ReportCodes,
    ReportsParsed,
    Request,
    Secret,
    SubmitFlow,
    Verdict,
)

SUBMIT_PATH: Final = "/sms/putMt/"

NUMBERS_MAX: Final = 1_000
MOBS_CHARS_MAX: Final = 13_000
TEXT_CHARS_MAX: Final = 1_000
TEXT_CHARS_SURE: Final = 500
KIND_FLAG_CHARS_MAX: Final = 20
SUB_NUMBER_DIGITS_MAX: Final = 20
LOGINS_AT_ONCE_MAX: Final = 20
"""Failed logins that may be under way before the first is answered; 30 a day lock the account (1.2)."""

_ASCII: Final = re.compile(r"[!-~]+", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_LOGIN_NAME: Final = re.compile(r"\w{2,20}", re.ASCII)


class Cosms(HttpVendor, frozen=True, kw_only=True, tag="cosms"):
    """An account at COSMS. Keys besides those of every vendor:

    `corp_id`: the enterprise's number, or the sub-user's. `md5`: log in with the one-time string, so that the password
    is never on the wire; false sends it as it is. `sub_number`, `kind_flag`: defaults for campaigns;
    `sub_number_digits_max`: the contract's length (the document only says short).
    `mt_level`: 1 immediate, 2 normal, 3 bulk, for up to 10 numbers; the document fixes it for more. `international`:
    take numbers abroad, which have a separate balance; `phs`: those with an area code. `report_interval_s`,
    `mo_interval_s`: the intervals of polls; 0 if the vendor pushes. `pages_at_once`: request the page behind a full one
    without a pause, if the vendor allows that. `mo_text`: whether the text of a pushed message is escaped again inside
    its parameter (the document does not show it). `push_key`: what the vendor's push URLs carry as `?key=…`.
    """

    corp_id: str
    login_name: str
    password: Secret
    md5: bool = True
    sub_number: str = ""
    sub_number_digits_max: int = 6
    kind_flag: str = ""
    mt_level: int = 1
    text_chars_max: int = TEXT_CHARS_SURE
    international: bool = False
    phs: bool = False
    report_interval_s: float = 30.0
    mo_interval_s: float = 10.0
    pages_at_once: bool = False
    mo_text: TextForm = "plain"
    push_key: Secret | None = None
    inflight_max: int = 8
    balance_interval_s: float | None = 30.0

    codes: ClassVar[Codes] = CODES
    report_codes: ClassVar[ReportCodes] = pages.REPORT_CODES
    extension: ClassVar[str] = "sub_number"
    kinds: ClassVar[tuple[MessageKind, ...]] = ("sms", "wap", "mms")
    ids_each: ClassVar[bool] = True
    cookies: ClassVar[bool] = True
    locks_out: ClassVar[bool] = True

    @property
    def limits(self) -> Limits:
        """1000 numbers and 13,000 characters of them; `text_chars_max` UTF-16 units (AMB-COSMS-6, 7, AMB-X-3)."""
        return Limits(
            numbers_max=NUMBERS_MAX,
            mobiles_chars_max=MOBS_CHARS_MAX,
            text_chars_max=self.text_chars_max,
            international=self.international,
            phs=self.phs,
        )

    @property
    def split(self) -> Split:
        """The document is silent; operators use 70 and 67 (vendors.md 7)."""
        return Split(70, 67)

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        for name in ("corp_id", "login_name", "password"):
            value = getattr(self, name)
            if not value:
                return f"{name} is empty: write what the vendor gave you."
            if not _ASCII.fullmatch(value):
                return f"{name} has a blank or a character that is not ASCII: write what the vendor gave you."
        if not 1 <= self.text_chars_max <= TEXT_CHARS_MAX:
            return f"text_chars_max must be 1 to {TEXT_CHARS_MAX}."
        if self.mt_level not in (1, 2, 3):
            return "mt_level must be 1 (immediate), 2 (normal) or 3 (bulk)."
        if not 1 <= self.sub_number_digits_max <= SUB_NUMBER_DIGITS_MAX:
            return f"sub_number_digits_max must be 1 to {SUB_NUMBER_DIGITS_MAX}: the whole sender's number has no more."
        if wrong := self._wrong_sub_number(self.sub_number) or _wrong_kind_flag(self.kind_flag):
            return wrong
        if self.report_interval_s < 0 or self.mo_interval_s < 0:
            return "report_interval_s and mo_interval_s must be above 0 (seconds), or 0 to not ask."
        if self.push_key is not None and not forms.PUSH_KEY.fullmatch(self.push_key):
            return forms.WRONG_PUSH_KEY
        if self.balance_interval_s is None or self.balance_interval_s < 1:
            return "balance_interval_s must be 1 or more."
        most = LOGINS_AT_ONCE_MAX // (2 if self.md5 else 1)
        if self.inflight_max > most:
            return f"inflight_max must be at most {most}: so often a wrong password fails at once; 30 lock the account."
        return super().check()

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> bytes:
        """The form up to and including `Mobs=`. Options: `sub_number`, `kind_flag`, `mms_title`. Raises TextError."""
        text, options = message.text, self._options(message)
        check_length(text, self.text_chars_max)
        for name, value in (("the text", text), *options.items()):
            if broken := not_carried(value, "utf-8"):
                raise TextError(
                    "character {position} of {name} is broken ({character!r}). Type it again.",
                    position=broken.position,
                    name=name,
                    character=broken.character,
                )
        msg_format, charset = charset_of(text, *options.values())
        link = ""
        if message.kind == "wap":
            media.check_wap(text)
            link = media.LINK_WAP
        elif message.kind == "mms":
            media.check_mms(text)
            link = media.LINK_MMS
        form = {
            "msgFormat": msg_format,
            **self._login.names,
            "msg": text,
            "subNumber": options["sub_number"],
            "linkID": link,
            "kindFlag": options["kind_flag"],
            "mmsTitle": options["mms_title"],
        }
        pairs = [f"{name}={escaped(value, charset)}" for name, value in form.items() if value]
        return "&".join([*pairs, "Mobs="]).encode("ascii")

    def _options(self, message: Message) -> dict[str, str]:
        """The account's options, overridden by the campaign's; the vendor's spelling (`subNumber`) works, too."""
        found = {"sub_number": self.sub_number, "kind_flag": self.kind_flag, "mms_title": ""}
        spelt = {name.replace("_", ""): name for name in found}
        for given, value in message.options.items():
            name = spelt.get(given.replace("_", "").lower(), "")
            if not name:
                raise TextError(
                    'cosms has no option "{given}" (it has {known}). Leave it out.', given=given, known=", ".join(found)
                )
            if name == "mms_title" and message.kind != "mms":
                raise TextError("mms_title is for multimedia messages (--kind mms). Leave it out.")
            found[name] = value
        wrong = self._wrong_sub_number(found["sub_number"]) or _wrong_kind_flag(found["kind_flag"])
        if not wrong and units(found["mms_title"]) > self.text_chars_max:
            wrong = f"mms_title must be at most {self.text_chars_max} characters."
        if wrong:
            raise TextError(wrong)
        return found

    def _wrong_sub_number(self, value: str) -> str:
        if not value or (_DIGITS.fullmatch(value) and len(value) <= self.sub_number_digits_max):
            return ""
        return f"sub_number must be 1 to {self.sub_number_digits_max} digits (sub_number_digits_max says how many)."

    def notes(self, message: Message) -> tuple[str, ...]:
        """Warnings for the launcher: what the vendor may do with this message."""
        found = []
        length = units(message.text)
        if length > TEXT_CHARS_SURE:
            found.append(
                f"the text has {length} characters; the vendor's document says both {TEXT_CHARS_SURE} and "
                f"{TEXT_CHARS_MAX}, so it may be refused (406)"
            )
        if lost := not_carried(message.text, "gbk"):
            found.append(f"GBK cannot carry {lost.character!r}, so the text goes as UTF-8 (msgFormat {FORMAT_UTF8})")
        return tuple(found)

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """One POST for the whole chunk; the answer is 100 and a row `0,mtID` per number, in the order submitted."""

        def ask(password: Mapping[str, str]) -> Request:
            suffix = b"&" + calls.form({"mtLevel": str(self._level(count)), **password})
            return Request(path=SUBMIT_PATH, prefix=prepared, tail=chunk, suffix=suffix, submits=True)

        said = yield from self._login.call(ask)
        return said if isinstance(said, Verdict) else calls.submitted(said, count)

    def _level(self, count: int) -> int:
        """By the document more than 10 numbers are level 2, more than 100 level 3 (AMB-COSMS-14)."""
        return 3 if count > 100 else 2 if count > 10 else self.mt_level

    # --- asking ------------------------------------------------------------------------------------------------------

    @property
    def _login(self) -> Login:
        return Login(self.corp_id, self.login_name, self.password, self.md5)

    def balance(self) -> BalanceFlow:
        """Messages left: domestic ones count; international ones and MMS are separate products (1.8)."""
        return calls.balance(self._login)

    def polls(self) -> tuple[Poll, ...]:
        """Reports every 30 s, messages every 10 s (1.6, 1.7, AMB-COSMS-8)."""
        login, at_once = self._login, self.pages_at_once
        reports = Poll(
            name="report", interval_s=self.report_interval_s, flow=lambda _: calls.reports(login), at_once=at_once
        )
        messages = Poll(
            name="inbound", interval_s=self.mo_interval_s, flow=partial(calls.messages, login), at_once=at_once
        )
        return tuple(poll for poll in (reports, messages) if poll.interval_s)

    @property
    def history_limits(self) -> HistoryLimits:
        """Half an hour of one day of the current month, a minute apart, 500 rows (1.9)."""
        return HistoryLimits(window_s=1_800, interval_s=60.0, rows_max=pages.HISTORY_ROWS_MAX)

    def history(self, start_ms: int, end_ms: int) -> HistoryFlow:
        """What was sent in [start, end) (Unix milliseconds), within one Shanghai day."""
        return calls.history(self._login, start_ms, end_ms)

    # --- changing ----------------------------------------------------------------------------------------------------

    def publish(self, files: Mapping[str, bytes]) -> PublishFlow:
        """Upload a folder of frames (cosms_media.frames says how its files are named). Raises TextError."""
        shown = media.frames(files.keys())
        size = sum(map(len, files.values()))
        if size > media.RESOURCES_BYTES_MAX:
            raise TextError(
                "the files have {size} bytes, at most {max} can be sent. Shrink them.",
                size=size,
                max=media.RESOURCES_BYTES_MAX,
            )
        return calls.publish(self._login, files, shown)

    def change_login(self, new_password: Secret, new_login_name: str | None = None) -> Operation:
        """A new password, and perhaps a new name (1.10); the vendor takes both as they are. Raises UserError."""
        if new_login_name and not _LOGIN_NAME.fullmatch(new_login_name):
            raise UserError("the new login name must be 2 to 20 letters, digits and _.")
        if not _ASCII.fullmatch(new_password) or "--" in new_password:
            raise UserError('the new password must be ASCII without blanks and without "--", and not empty.')
        return calls.change_login(self._login, new_login_name or "", new_password)

    # --- pushes: what reads them is imported with the first one, as a configuration needs no numpy -------------------

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """The `push_key` in the URL."""
        return forms.key_proof(query, self.push_key)

    def report_push(self, push: Push) -> ReportsParsed:
        """Up to 100 mtIDs with one value (1.12, AMB-COSMS-24)."""
        from dispatcher.vendors.cosms import pushes

        return pushes.reports(push, self.push_key)

    def inbound_push(self, push: Push) -> InboundParsed:
        """One message (1.12)."""
        from dispatcher.vendors.cosms import pushes

        return pushes.messages(push, self.push_key, self.mo_text)

    def push_answer(self) -> bytes:
        """The vendor repeats the push after any other answer (AMB-COSMS-25)."""
        return b"100"


def _wrong_kind_flag(value: str) -> str:
    return "" if units(value) <= KIND_FLAG_CHARS_MAX else f"kind_flag must be at most {KIND_FLAG_CHARS_MAX} characters."
