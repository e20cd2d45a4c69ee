"""Results as CSV, XLSX, NDJSON or Parquet, a batch at a time: memory does not grow with the campaign.

Columns: `number`, `state`, `code` (the vendor's: the report's, else the submit's), `meaning` (in plain English),
`vendor_id`, `account`, `submitted_at`, `reported_at`, on demand each recipient's `text`; with rejected rows also `row`
(the line of the list, as an editor counts), `value` (as it was written) and, for a duplicate, `repeats` (the row with
the same number); their `meaning` says why they were set aside. Unknown values are empty (null). Numbers are text. Times
are ISO 8601 at Beijing's offset (+08:00), the zone of the vendors' times; in Parquet they are timestamps of the zone
Asia/Shanghai. No report is earlier than its submit: the times of some vendors have no seconds, and their clocks differ
from ours.

table_files.py makes CSV and XLSX safe for spreadsheets. NDJSON and Parquet hold every text verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import IO, Any, Final, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher import clock
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.wire_number import to_wire
from dispatcher.store.export.table_files import TIME, ZONE, write_table
from dispatcher.store.meanings import Meaning, meaning
from dispatcher.store.pages import reported_from
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from schemas.states import BY_FILE, BY_FILE_SHOWN, ON_LIST, State

Format = Literal["csv", "xlsx", "ndjson", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

STATES: Final = {state.word: state for state in State}
REJECTED: Final = ("invalid", "duplicate", "suppressed")
"""The states of rows that never became recipients."""

_REJECTED_FOR: Final = {"duplicate": "duplicate", BY_FILE: "suppressed", ON_LIST: "suppressed"}
_SHOWN: Final = {BY_FILE: BY_FILE_SHOWN}

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
_TEXT_SCHEMA: Final[dict[str, Any]] = {"text": pl.String}
_REJECT_SCHEMA: Final[dict[str, Any]] = {"row": pl.UInt64, "value": pl.String, "repeats": pl.UInt64}
_WORDS: Final = pl.Series([state.word for state in State])
Texts = Callable[[Page], pl.Series]
"""The text of each recipient of a page."""

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
    meanings: Meaning = meaning,
    wrote: Wrote = _silent,
    texts: Texts | None = None,
    now_ms: int | None = None,
) -> int:
    """Write the campaign's recipients, or the rows in these states, to `out`; returns how many.

    With `texts` there is a column of them.
    `states` are words of schemas/states.py and REJECTED. `now_ms` (default: the clock) decides who is `no_report`.
    Raises StoreError, and OSError from `out`. While a campaign runs, each batch is of its own moment.
    """
    wanted = set(STATES) if states is None else set(states)
    now_ms = clock.now_ms() if now_ms is None else now_ms
    frames = _Frames(reader, view, wanted, meanings, wrote, texts, now_ms)
    write_table(frames, frames.schema, out, kind)
    return frames.rows


class _Frames:
    """The rows as data frames: one per batch, then one per record of rejected rows."""

    def __init__(
        self,
        reader: StoreReader,
        view: CampaignView,
        wanted: set[str],
        meanings: Meaning,
        wrote: Wrote,
        texts: Texts | None,
        now_ms: int,
    ) -> None:
        self._reader = reader
        self._view = view
        self._wanted = wanted
        self._meanings = meanings
        self._vendors = {leg.account: leg.vendor for leg in view.legs}
        self._wrote = wrote
        self._sent = texts
        self._now_ms = now_ms
        self.with_rejects = bool(wanted & set(REJECTED))
        self.schema: dict[str, Any] = {
            **_RECIPIENT_SCHEMA,
            **(_TEXT_SCHEMA if texts is not None else {}),
            **(_REJECT_SCHEMA if self.with_rejects else {}),
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
                "number": _wire(page.numbers),
                "state": _WORDS.gather(page.states),
                "code": _texts(page.codes).gather(page.code_index),
                "meaning": self._meaning_column(page),
                "vendor_id": _texts(page.vendor_ids).gather(page.vendor_id_index),
                "account": _texts(page.accounts).gather(page.account_index),
                "submitted_at": _times(page.submitted_ms),
                "reported_at": _times(reported_from(page)),
            }
        )
        return frame if self._sent is None else frame.with_columns(self._sent(page).alias("text"))

    def _meaning_column(self, page: Page) -> pl.Series:
        """Looked up once for each (account, source, code) of the page; unknown recipients are marked."""
        code_count = len(page.codes)
        key = (page.account_index.astype(np.int64) * 2 + page.from_report) * code_count + page.code_index
        used, index = np.unique(key, return_inverse=True)
        texts = []
        for value in used.tolist():
            account_and_source, code = divmod(value, code_count)
            account, from_report = divmod(account_and_source, 2)
            vendor = self._vendors.get(page.accounts[account], "")
            texts.append(self._meanings(vendor, "report" if from_report else "submit", page.codes[code]))
        meanings = _texts(texts).gather(index.astype(np.uint32))
        unknown = page.states == State.UNKNOWN
        return meanings.set(pl.Series(unknown), UNKNOWN_MEANING) if unknown.any() else meanings

    def _rejected(self, page: RejectPage) -> pl.DataFrame:
        states = [_REJECTED_FOR.get(reason, "invalid") for reason in page.reasons]
        reasons = [None if reason == "duplicate" else _SHOWN.get(reason, reason) for reason in page.reasons]
        index = page.reason_index
        frame = pl.DataFrame(
            {
                "state": pl.Series(states, dtype=pl.String).gather(index),
                "meaning": pl.Series(reasons, dtype=pl.String).gather(index),
                "row": page.rows,
                "value": pl.Series(page.values, dtype=pl.String),
                "repeats": pl.Series(page.repeats).set(pl.Series(page.repeats == 0), None),
            }
        )
        return frame.filter(pl.col("state").is_in(list(self._wanted)))

    def _completed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With all columns, in their order."""
        missing = [pl.lit(None, kind).alias(name) for name, kind in self.schema.items() if name not in frame.columns]
        return frame.with_columns(missing).select(list(self.schema))


def _texts(texts: list[str]) -> pl.Series:
    return pl.Series([text or None for text in texts], dtype=pl.String)


def _wire(numbers: NDArray[np.int64]) -> pl.Series:
    if phone_numbers.is_domestic(numbers).all():
        return pl.Series(numbers).cast(pl.String)
    return pl.Series([to_wire(number) if number else None for number in numbers.tolist()], dtype=pl.String)


def _times(at_ms: NDArray[np.int64]) -> pl.Series:
    zoned = pl.Series(at_ms).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ZONE)
    return zoned.set(pl.Series(at_ms == 0), None)
