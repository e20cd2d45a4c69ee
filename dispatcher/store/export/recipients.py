"""Results as CSV, XLSX, NDJSON or Parquet, a batch at a time: memory does not grow with the campaign.

Columns: `number`, `state`, `code` (the vendor's: the report's, else the submit's), `meaning` (in plain English),
`vendor_id`, `account`, `submitted_at`, `reported_at`; if a vendor of its route gives an id to each part of a long
message, `parts` and `parts_delivered` (`vendor_id` then has the ids of all parts); on demand each recipient's `text`;
with rejected rows also `row`
(the line of the list, as an editor counts), `value` (as it was written) and, for a duplicate, `repeats` (the row with
the same number), and, if several lists were launched together, the name of the `list` of the row, and of the one that
it repeats (`repeats_list`); their `meaning` says why they were set aside. A recipient who came onto the suppression
list after the launch is `suppressed`, with the time at which he was left out in `reported_at`. Unknown values are empty
(null). Numbers are text. Times are ISO 8601 at Beijing's offset (+08:00), the zone of the vendors' times; in Parquet
they are timestamps of the zone Asia/Shanghai. No report is earlier than its submit: the times of some vendors have no
seconds, and their clocks differ from ours.

table_files.py makes CSV and XLSX safe for spreadsheets. NDJSON and Parquet hold every text verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import IO, Any, Final, Literal, Protocol, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher import clock
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.wire_number import to_wire
from dispatcher.store.export import chinese
from dispatcher.store.export.table_files import TIME, ZONE, write_table
from dispatcher.store.meanings import Meaning, chinese_meaning, ids_per_part, meaning
from dispatcher.store.pages import reported_from
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from schemas.states import DUPLICATE, State, our_meanings, rejected_state, shown_reason

Format = Literal["csv", "xlsx", "ndjson", "parquet"]
Language = Literal["en", "zh"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

STATES: Final = {state.word: state for state in State}
REJECTED: Final = ("invalid", "duplicate", "suppressed")
"""The states of rows that never became recipients; suppressed ones may also have become suppressed since."""

UNKNOWN_MEANING: Final = "the vendor may or may not have texted this number"

_RECIPIENT_SCHEMA: Final[dict[str, Any]] = {
    "number": pl.String,
    "state": pl.String,
    "code": pl.String,
    "meaning": pl.String,
    "vendor_id": pl.String,
    "account": pl.String,
    "submitted_at": TIME,
    "reported_at": TIME,
}
_PART_SCHEMA: Final[dict[str, Any]] = {"parts": pl.UInt8, "parts_delivered": pl.UInt8}
_TEXT_SCHEMA: Final[dict[str, Any]] = {"text": pl.String}
_REJECT_SCHEMA: Final[dict[str, Any]] = {"row": pl.UInt64, "value": pl.String, "repeats": pl.UInt64}
_LISTS_SCHEMA: Final[dict[str, Any]] = {"list": pl.String, "repeats_list": pl.String}
_ALL: Final = (*_RECIPIENT_SCHEMA, *_PART_SCHEMA, *_TEXT_SCHEMA, *_REJECT_SCHEMA, *_LISTS_SCHEMA)
Texts = Callable[[Page], pl.Series]
"""The text of each recipient of a page."""


class ListColumns(Protocol):
    """More columns, of the list that was launched."""

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        ...

    def of(self, page: Page) -> pl.DataFrame:
        """The texts of a page's recipients, by these names."""
        ...

    def of_rejected(self, page: RejectPage) -> pl.DataFrame:
        """The texts of rejected rows, by these names."""
        ...


Wrote = Callable[[int], None]
"""Called with the number of rows written so far."""


def _silent(rows: int) -> None:
    """Do nothing."""


def export(
    reader: StoreReader,
    view: CampaignView,
    out: IO[bytes],
    kind: Format,
    *,
    states: Collection[str] | None = None,
    meanings: Meaning | None = None,
    wrote: Wrote = _silent,
    texts: Texts | None = None,
    columns: ListColumns | None = None,
    number_header: str = "",
    language: Language = "en",
    now_ms: int | None = None,
) -> int:
    """Write the campaign's recipients, or the rows in these states, to `out`; returns how many.

    With `texts` there is a column of them, with `columns` those behind all others. A column of theirs that is called
    like the number's (`number_header`, if given) is left out: it has the same numbers. If one is called like another of
    ours, then ours has `sms_` in front. `language` is that of headers, states and meanings.
    `states` are words of schemas/states.py and REJECTED; by default all recipients, and no rejected row. `now_ms`
    (default: the clock) decides who is `no_report`.
    Raises StoreError, and OSError from `out`. While a campaign runs, each batch is of its own moment.
    """
    now_ms = clock.now_ms() if now_ms is None else now_ms
    meanings = meanings or (meaning if language == "en" else chinese_meaning)
    words = _Words(language, meanings, columns, number_header, of_stream=view.stream is not None)
    frames = _Frames(reader, view, states, words, wrote, texts, columns, now_ms)
    write_table(frames, frames.schema, out, kind)
    return frames.rows


class _Words:
    """How things are called in the language of the export."""

    def __init__(
        self,
        language: Language,
        meanings: Meaning,
        columns: ListColumns | None,
        number_header: str,
        *,
        of_stream: bool,
    ) -> None:
        self.meanings: Final = meanings
        is_english = language == "en"
        self.states: Final = {word: word if is_english else chinese.STATES[word] for word in (*STATES, *REJECTED)}
        self.recipients: Final = pl.Series([self.states[state.word] for state in State])
        self.unknown: Final = UNKNOWN_MEANING if is_english else chinese.UNKNOWN_MEANING
        self.reason: Final = _as_it_is if is_english else chinese.reason
        ours = our_meanings(of_stream=of_stream)
        self.left_out: Final = {state: self.reason(words) for state, words in ours.items()}
        self._headers: Final = {name: name if is_english else chinese.HEADERS[name] for name in _ALL}
        if number_header:
            self._headers["number"] = number_header
        self.added: Final = tuple(
            name for name in (columns.names if columns else ()) if name != self._headers["number"]
        )

    def header(self, name: str) -> str:
        """What one of our columns is called."""
        shown = self._headers[name]
        return f"sms_{shown}" if shown in self.added else shown


def _as_it_is(text: str) -> str:
    return text


class _Frames:
    """The rows as data frames: one per batch, then one per record of rejected rows."""

    def __init__(
        self,
        reader: StoreReader,
        view: CampaignView,
        states: Collection[str] | None,
        words: _Words,
        wrote: Wrote,
        texts: Texts | None,
        columns: ListColumns | None,
        now_ms: int,
    ) -> None:
        self._reader = reader
        self._view = view
        self._wanted = set(STATES) if states is None else set(states)
        self._words = words
        self._columns = columns
        self._vendors = {leg.account: leg.vendor for leg in view.legs}
        self._counts_parts = any(ids_per_part(leg.vendor) for leg in view.legs)
        self._wrote = wrote
        self._sent = texts
        self._now_ms = now_ms
        self.with_rejects = states is not None and bool(self._wanted & set(REJECTED))
        ours: dict[str, Any] = {
            **_RECIPIENT_SCHEMA,
            **(_PART_SCHEMA if self._counts_parts else {}),
            **(_TEXT_SCHEMA if texts is not None else {}),
            **(_REJECT_SCHEMA if self.with_rejects else {}),
            **(_LISTS_SCHEMA if self.with_rejects and view.lists else {}),
        }
        self._headers = {name: words.header(name) for name in ours}
        self.schema: dict[str, Any] = {
            **{self._headers[name]: kind for name, kind in ours.items()},
            **dict.fromkeys(words.added, pl.String),
        }
        self.rows = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._all():
            if frame.height:
                yield self._completed(frame)
                self.rows += frame.height
                self._wrote(self.rows)

    def _all(self) -> Iterator[pl.DataFrame]:
        states = [state for word, state in STATES.items() if word in self._wanted]
        if states:
            for page in self._reader.pages(self._view.id, states, self._now_ms):
                yield self._recipients(page)
        if self.with_rejects:
            for rejects in self._reader.rejects(self._view.id):
                yield self._rejected(rejects)

    def _recipients(self, page: Page) -> pl.DataFrame:
        frame = pl.DataFrame(
            {
                "number": wire_column(page.numbers),
                "state": self._words.recipients.gather(page.states),
                "code": _texts(page.codes).gather(page.code_index),
                "meaning": self._meaning_column(page),
                "vendor_id": _texts(page.vendor_ids).gather(page.vendor_id_index),
                "account": _texts(page.accounts).gather(page.account_index),
                "submitted_at": _times(page.submitted_ms),
                "reported_at": _times(reported_from(page)),
            }
        )
        if self._counts_parts:
            none = pl.Series(page.parts == 0)
            columns = {"parts": page.parts, "parts_delivered": page.parts_delivered}
            frame = frame.with_columns(pl.Series(name, values).set(none, None) for name, values in columns.items())
        if self._sent is not None:
            frame = frame.with_columns(self._sent(page).alias("text"))
        frame = frame.rename({name: header for name, header in self._headers.items() if name in frame.columns})
        return frame if self._columns is None else frame.hstack(self._columns.of(page).select(self._words.added))

    def _meaning_column(self, page: Page) -> pl.Series:
        """Looked up once for each (account, source, code) of the page; those who are unknown or left out have ours."""
        code_count = len(page.codes)
        key = (page.account_index.astype(np.int64) * 2 + page.from_report) * code_count + page.code_index
        used, index = np.unique(key, return_inverse=True)
        texts = []
        for value in used.tolist():
            account_and_source, code = divmod(value, code_count)
            account, from_report = divmod(account_and_source, 2)
            vendor = self._vendors.get(page.accounts[account], "")
            texts.append(self._words.meanings(vendor, "report" if from_report else "submit", page.codes[code]))
        meanings = _texts(texts).gather(index.astype(np.uint32))
        for state, words in ((State.UNKNOWN, self._words.unknown), *self._words.left_out.items()):
            concerned = page.states == state
            if concerned.any():
                meanings = meanings.set(pl.Series(concerned), words)
        return meanings

    def _rejected(self, page: RejectPage) -> pl.DataFrame:
        states = [rejected_state(reason) for reason in page.reasons]
        reasons = [None if reason == DUPLICATE else self._words.reason(shown_reason(reason)) for reason in page.reasons]
        index = page.reason_index
        frame = pl.DataFrame(
            {
                "state": pl.Series([self._words.states[state] for state in states], dtype=pl.String).gather(index),
                "meaning": pl.Series(reasons, dtype=pl.String).gather(index),
                "row": page.rows,
                "value": pl.Series(page.values, dtype=pl.String),
                "repeats": pl.Series(page.repeats).set(pl.Series(page.repeats == 0), None),
            }
        )
        if self._view.lists:
            lists = pl.Series(page.lists or self._view.lists, dtype=pl.String)
            repeated = lists.gather(page.repeats_list).set(pl.Series(page.repeats == 0), None)
            frame = frame.with_columns(lists.gather(page.list_index).alias("list"), repeated.alias("repeats_list"))
        wanted = pl.Series([state in self._wanted for state in states], dtype=pl.Boolean).gather(index)
        frame = frame.rename({name: self._headers[name] for name in frame.columns})
        if self._columns is not None:
            frame = frame.hstack(self._columns.of_rejected(page).select(self._words.added))
        return frame.filter(wanted)

    def _completed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With all columns, in their order."""
        missing = [pl.lit(None, kind).alias(name) for name, kind in self.schema.items() if name not in frame.columns]
        return frame.with_columns(missing).select(list(self.schema))


def _texts(texts: list[str]) -> pl.Series:
    return pl.Series([text or None for text in texts], dtype=pl.String)


def wire_column(numbers: NDArray[np.int64]) -> pl.Series:
    """The numbers as people write them; null for 0."""
    if phone_numbers.is_domestic(numbers).all():
        return pl.Series(numbers).cast(pl.String)
    return pl.Series([to_wire(number) if number else None for number in numbers.tolist()], dtype=pl.String)


def _times(at_ms: NDArray[np.int64]) -> pl.Series:
    zoned = pl.Series(at_ms).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ZONE)
    return zoned.set(pl.Series(at_ms == 0), None)
