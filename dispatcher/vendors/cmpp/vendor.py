"""CMPP 2.0: an account (SP) at a gateway of China Mobile (vendors.md 6, 8.5). Deliveries: deliveries.py.

Pure: values in, values out; no connection, no clock, no logging. What goes over the wire is dispatcher/cmpp.
Weak spots: there is no balance; nothing tells whether At_Time is past; parts are counted by 70 and 67 characters, so a
text in which surrogate pairs lie across the edges of parts may have one more than a plan says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final, Literal

import msgspec

from dispatcher.cmpp.link import LinkSettings
from dispatcher.cmpp.long_texts import ASCII_BYTES_MAX, CONTENT_BYTES_MAX, PART_BYTES_MAX, TooLong, contents, split
from dispatcher.cmpp.pdus import VERSION_20, Deliver, Submit
from dispatcher.cmpp.results import REPEATED
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.cmpp.texts import CHARSETS, Coding, format_of
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.cmpp.codes import CODES, LOGIN, REPORT_CODES
from dispatcher.vendors.cmpp.deliveries import ReportLayout, read_delivery, read_report_frames
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.text_checks import check_characters, check_length
from dispatcher.vendors.seam.link import LinkVendor, Unreadable
from dispatcher.vendors.seam.vendor import Codes, Kind, Limits, Message, ReportCodes, ReportRow, Secret, Verdict
from schemas.records import Inbound, Reports

PORT: Final = 7890
CHUNK_NUMBERS: Final = 500
UCS2_CHARS_MAX: Final = CONTENT_BYTES_MAX // 2
UCS2_PART_CHARS: Final = PART_BYTES_MAX // 2
SRC_ID_BYTES_MAX: Final = 20
PARTS_MAX: Final = 255
OTHER_RESULT: Final = 9
OTHER_LOGIN: Final = 5
RESULT_MAX: Final = 255
GROUP_NUMBERS_MAX: Final = 99
"""Of one SUBMIT: "less than 100" (AMB-CMPP-9)."""

FEE_BY_NUMBER: Final = 3
"""Fee_UserType: Fee_terminal_Id pays."""

UTC_8: Final = "032+"
"""Behind a time: 32 quarters of an hour ahead of UTC."""

_TIME_OPTIONS: Final = ("at_time", "valid_time")
_SP_ID: Final = re.compile(r"[0-9A-Za-z]{1,6}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)

ResultClass = Literal["throttled", "retry-later", "rejected-permanent", "content", "balance", "auth", "unknown"]


class Cmpp(LinkVendor, frozen=True, kw_only=True, tag="cmpp"):
    """An account at a gateway. Keys besides those of every link:

    `auth_pad`: whether the login hashes an sp_id of less than 6 characters padded or bare (AMB-CMPP-2). `verify`: what
    an AuthenticatorISMG that is not the document's leads to (AMB-CMPP-3). `resend`: whether a frame without an answer
    is sent again as it is. `src_id`: the sender's number; a campaign's `--extno` extends it. `msg_src`: the sp_id if
    empty. `results`: the classes of the operator's own Results, from 9 on. `report_layout`: how the body of a report
    is read (AMB-CMPP-20). `number_prefix`: what stands before a recipient's number. `parts_max`: a longer text is
    refused before it is sent. `group_numbers_max`: without reports (`registered_delivery` 0) one SUBMIT is addressed to
    as many numbers.
    """

    sp_id: str
    secret: Secret
    auth_pad: Literal["padded", "bare"] = "padded"
    verify: Literal["off", "warn", "strict"] = "warn"
    version: int = VERSION_20
    resend: Literal["spec", "never"] = "spec"

    src_id: str = ""
    service_id: str = ""
    msg_src: str = ""
    msg_level: int = 0
    tp_pid: int = 0
    registered_delivery: Literal[0, 1] = 1
    group_numbers_max: int = GROUP_NUMBERS_MAX
    fee_user_type: int = 2
    fee_terminal_id: str = ""
    fee_type: str = "01"
    fee_code: str = "000000"
    number_prefix: Literal["", "86", "+86"] = ""

    coding: Coding = "auto"
    ascii_bytes_max: int = ASCII_BYTES_MAX
    parts_max: int = 10
    results: Mapping[str, ResultClass] = {}
    report_layout: ReportLayout = "auto"

    codes: ClassVar[Codes] = CODES
    report_codes: ClassVar[ReportCodes] = REPORT_CODES
    extension: ClassVar[str] = "src_id_extension"
    ids_each: ClassVar[bool] = True
    ids_per_part: ClassVar[bool] = True
    reports_to_the_minute: ClassVar[bool] = True

    @property
    def port(self) -> int:
        return PORT

    @property
    def limits(self) -> Limits:
        """A chunk's numbers; the longest text is one of `parts_max` parts in ASCII (`prepare` looks closer)."""
        longest = self.ascii_bytes_max if self.parts_max == 1 else self.parts_max * PART_BYTES_MAX
        return Limits(numbers_max=CHUNK_NUMBERS, text_chars_max=longest)

    @property
    def split(self) -> Split:
        """70 characters in one message and 67 in each part of a longer one; ASCII: octets (vendors.md 6.7)."""
        ascii_split = None if self.coding == "ucs2" else (self.ascii_bytes_max, PART_BYTES_MAX)
        return Split(UCS2_CHARS_MAX, UCS2_PART_CHARS, ascii_split)

    @property
    def settings(self) -> LinkSettings:
        return LinkSettings(
            sp_id=self.sp_id.encode(),
            secret=self.secret.encode(),
            auth_pad=self.auth_pad,
            version=self.version,
            verify=self.verify,
            window=self.window,
            idle_s=self.idle_s,
            timeout_s=self.timeout_s,
            transmissions=self.transmissions,
            resend=self.resend,
        )

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        if not _SP_ID.fullmatch(self.sp_id):
            return "sp_id must be 1 to 6 letters and digits: write what the operator gave you (企业代码)."
        if not self.secret:
            return "secret is empty: write what the operator gave you (shared secret)."
        if not 0 <= self.version <= 255:
            return "version must be 0 to 255 (0x20 is 2.0)."
        if len(self.src_id) > SRC_ID_BYTES_MAX or (self.src_id and not _DIGITS.fullmatch(self.src_id)):
            return f"src_id must be at most {SRC_ID_BYTES_MAX} digits: the service code, or a longer number behind it."
        fields = {"service_id": 10, "msg_src": 6, "fee_terminal_id": 21, "fee_type": 2, "fee_code": 6}
        for name, most in fields.items():
            value = getattr(self, name)
            if len(value) > most or not value.isascii():
                return f"{name} must be at most {most} letters and digits."
        for name, least, most in (("msg_level", 0, 255), ("tp_pid", 0, 255), ("fee_user_type", 0, 3)):
            if not least <= getattr(self, name) <= most:
                return f"{name} must be {least} to {most}."
        if (self.fee_user_type == FEE_BY_NUMBER) != bool(self.fee_terminal_id):
            return f"fee_terminal_id is the number that pays if fee_user_type is {FEE_BY_NUMBER}, and empty otherwise."
        if self.ascii_bytes_max not in (ASCII_BYTES_MAX, ASCII_BYTES_MAX + 1):
            return f"ascii_bytes_max must be {ASCII_BYTES_MAX} or {ASCII_BYTES_MAX + 1}."
        if not 1 <= self.group_numbers_max <= GROUP_NUMBERS_MAX:
            return f"group_numbers_max must be 1 to {GROUP_NUMBERS_MAX}."
        if not 1 <= self.parts_max <= PARTS_MAX:
            return f"parts_max must be 1 to {PARTS_MAX}."
        for result in self.results:
            if not _DIGITS.fullmatch(result) or not OTHER_RESULT <= int(result) <= RESULT_MAX:
                return f'results: "{result}" is no Result of the operator: those are {OTHER_RESULT} to {RESULT_MAX}.'
        return super().check()

    @property
    def request_numbers_max(self) -> int:
        """A SUBMIT is addressed to several numbers only where no report is wanted."""
        return 1 if self.registered_delivery else self.group_numbers_max

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> SubmitTemplate:
        """The SUBMITs of the text's parts. Options: `src_id_extension`, `at_time`, `valid_time`. Raises TextError."""
        text = message.text
        check_length(text, self.limits.text_chars_max)
        src_id, times = self.src_id, dict.fromkeys(_TIME_OPTIONS, b"")
        for name, value in message.options.items():
            if name == self.extension:
                src_id += self._extension(value)
            elif name in _TIME_OPTIONS:
                times[name] = _time(name, value)
            else:
                known = ", ".join([self.extension, *_TIME_OPTIONS])
                raise TextError('cmpp has no option "{name}" (it has {known}). Leave it out.', name=name, known=known)
        msg_fmt = format_of(text, self.coding)
        check_characters(text, CHARSETS[msg_fmt])
        parts = split(text, msg_fmt, self.ascii_bytes_max)
        count = parts.parts if isinstance(parts, TooLong) else len(parts)
        if isinstance(parts, TooLong) or count > self.parts_max:
            raise TextError(
                "the text has {count} parts, this account takes {max} (parts_max). Shorten it.",
                count=count,
                max=self.parts_max,
                about="--text",
            )
        first = Submit(
            pk_total=count,
            registered_delivery=self.registered_delivery,
            msg_level=self.msg_level,
            service_id=self.service_id.encode(),
            fee_user_type=self.fee_user_type,
            fee_terminal_id=self.fee_terminal_id.encode(),
            tp_pid=self.tp_pid,
            tp_udhi=int(count > 1),
            msg_fmt=msg_fmt,
            msg_src=(self.msg_src or self.sp_id).encode(),
            fee_type=self.fee_type.encode(),
            fee_code=self.fee_code.encode(),
            valid_time=times["valid_time"],
            at_time=times["at_time"],
            src_id=src_id.encode(),
        )
        return SubmitTemplate(
            [
                msgspec.structs.replace(first, pk_number=number, msg_content=content)
                for number, content in enumerate(contents(parts, 0), 1)
            ],
            self.request_numbers_max,
        )

    def notes(self, message: Message) -> tuple[str, ...]:
        """When the gateway will send, if it schedules the message."""
        notes = []
        if at := message.options.get("at_time", ""):
            notes.append(f"the gateway takes the messages now and sends them at {_moment(at)}, Shanghai time (at_time)")
        if until := message.options.get("valid_time", ""):
            notes.append(f"what is not delivered by {_moment(until)}, Shanghai time, expires (valid_time)")
        return tuple(notes)

    def sends_at_ms(self, options: Mapping[str, str]) -> int:
        return _at_ms("at_time", options)

    def reports_from_ms(self, options: Mapping[str, str]) -> int:
        """The gateway tries to deliver until ValId_Time."""
        return max(_at_ms(name, options) for name in _TIME_OPTIONS)

    def number(self, wire: bytes) -> bytes:
        return self.number_prefix.encode() + wire if self.number_prefix else wire

    # --- answers -----------------------------------------------------------------------------------------------------

    def answer(self, result: int, transmissions: int) -> Verdict:
        """Result 3 after a frame was sent again says that the first copy arrived: it may be on its way under an id that
        nobody knows, and is never sent again. A refusal of a group that may be about one of its numbers: divide it.
        """
        code = str(result)
        if result == REPEATED and transmissions > 1:
            return Verdict(kind=Kind.UNKNOWN, code=code, text="the first copy arrived, its answer did not")
        verdict = Verdict(kind=Kind(self.results[code]), code=code) if code in self.results else CODES.verdict(code)
        if self.request_numbers_max > 1 and verdict.kind is Kind.REJECTED and _may_be_about_a_number(result):
            return msgspec.structs.replace(verdict, divide=True)
        if result == REPEATED:
            return msgspec.structs.replace(verdict, warn="Result 3 to a message that was sent once")
        return verdict

    def login_refused(self, status: int) -> Verdict:
        """Nothing was sent, so messages are kept: what is refused for good stops the account."""
        row = CODES.rows[f"{LOGIN}{min(status, OTHER_LOGIN)}"]
        kind = Kind.AUTH if row.kind is Kind.REJECTED else row.kind
        return Verdict(kind=kind, code=f"{LOGIN}{status}", text=row.english)

    # --- deliveries --------------------------------------------------------------------------------------------------

    def read(self, deliver: Deliver, account: str, received_ms: int) -> ReportRow | Inbound | Unreadable:
        return read_delivery(deliver, account, received_ms, self.report_layout)

    def read_reports(self, frames: bytes, frame_bytes: int, account: str, received_ms: int) -> list[Reports] | None:
        return read_report_frames(frames, frame_bytes, account, received_ms, self.report_layout)

    def _extension(self, value: str) -> str:
        if _DIGITS.fullmatch(value) and len(self.src_id) + len(value) <= SRC_ID_BYTES_MAX:
            return value
        most = SRC_ID_BYTES_MAX - len(self.src_id)
        raise TextError(
            "{extension} must be 1 to {most} digits: with src_id it has at most {max}.",
            extension=self.extension,
            most=most,
            max=SRC_ID_BYTES_MAX,
        )


def _may_be_about_a_number(result: int) -> bool:
    """The structure or the length of the SUBMIT, or a reason of the operator's; the others are about fields that all
    numbers share.
    """
    return result in (1, 4) or result >= OTHER_RESULT


def _time(option: str, value: str) -> bytes:
    """The field of a campaign's time. Raises TextError."""
    if len(value) != 14 or not forms.time_s(value.encode("utf-8", "replace")):
        raise TextError(
            '{option} "{value}" is no time. Write YYYYMMDDhhmmss, Shanghai time, as 20300101080000.',
            option=option,
            value=value,
        )
    return f"{value[2:]}{UTC_8}".encode()


def _at_ms(option: str, options: Mapping[str, str]) -> int:
    """The time of this option, Unix milliseconds; 0 if there is none."""
    return forms.time_s(options.get(option, "").encode("utf-8", "replace")) * 1000


def _moment(at: str) -> str:
    return f"{at[:4]}-{at[4:6]}-{at[6:8]} {at[8:10]}:{at[10:12]}:{at[12:]}"
