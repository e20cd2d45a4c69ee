"""Which row of a list is its header and which column holds the phone numbers, by its first few hundred rows.

By header (Chinese or English) if there is one that says so, else by content. Never by luck: a column that is named so
and whose numbers are damaged is an error with its reason; where two are equally good, the user is asked to say which.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import polars as pl

from dispatcher.core.invisible import visible
from dispatcher.core.numbers import ADVICE, REASONS, normalise
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import EmptyInput, InputError
from dispatcher.masking import masked_number
from dispatcher.sentences import N_, Sentence, joined
from dispatcher.wording import counted

DELIMITERS: Final = ",;\t|"
NO_DELIMITER: Final = "\x1f"
"""What divides the columns of a list that has only one: a character no text has."""

HEADERS: Final = (
    (
        *("手机号码", "手机号", "手机", "移动电话", "移动号码", "mobile", "msisdn", "cellphone", "cell"),
        *("手機號碼", "手機號", "手機", "行動電話", "流動電話", "手提電話"),
    ),
    (
        *("电话号码", "联系电话", "联系方式", "电话", "phone", "telephone", "tel"),
        *("電話號碼", "聯絡電話", "聯繫電話", "聯絡方式", "電話"),
    ),
    ("号码", "號碼", "被叫", "recipient", "number", "numbers", "no"),
)
"""Names of a phone column, the surest first; those of the last rank name other columns, too."""

HEADER_ROWS_MAX: Final = 30
"""How far down a header may be."""

SHARE_MIN: Final = 0.5
"""A column is one of phone numbers if at least this share of its sample is."""

SAMPLES: Final = 3
NAME_CHARS_MAX: Final = 60
HEADER_DIGITS_MAX: Final = 6
"""A cell with more digits is a damaged number, not a header."""

_WORDS: Final = re.compile(r"[a-z]+|[\u4e00-\u9fff]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOTES: Final = re.compile(r"[((\[【].*?[))\]】]")
_AROUND_NAME: Final = " *＊:：.。_-#"
_FILLERS: Final = frozenset(
    {"mobile", "cell", "phone", "tel", "telephone", "cellphone", "number", "numbers", "no", "num"}
)
_WEAK: Final = len(HEADERS) - 1


class NoColumn(InputError):
    """Nothing in a list looks like phone numbers, or it lacks the column that is asked for."""


class PhoneColumn(msgspec.Struct, frozen=True):
    """The phone column: its index from 0 and what to call it.

    `header_at`: which of the rows is the header, None if there is none; `guessed`: only its letters say so; `above`:
    how many rows with content stand above it. `samples` are the first numbers, masked; `others` what to call columns
    that could have been taken instead.
    """

    index: int
    name: str
    header_at: int | None
    samples: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    guessed: bool = False
    above: int = 0

    @property
    def header(self) -> bool:
        """Whether there is a header."""
        return self.header_at is not None

    @property
    def skip(self) -> int:
        """How many rows come before the list's first."""
        return 0 if self.header_at is None else self.header_at + 1


def header_notes(column: PhoneColumn, line: int | None) -> Iterator[str]:
    """What to say of a list's header on this line."""
    if column.above:
        yield f"{counted(column.above, 'row')} above the header on line {line} not read"
    if column.guessed:
        yield f"line {line}, {column.name}, is taken for the header; --header-row 0 reads it as a row of the list"


def number_header(others: Sequence[str], usual: str, sure: str) -> str:
    """What to call a column of numbers beside these columns, so that it is the one that is found again.

    `usual`, unless another is named like phone numbers; then `sure`, or the name of that one if no other is surer.
    """
    ranks = {name: _named(name) for name in others}
    surest = next((name for name, rank in ranks.items() if rank == (True, 0)), None)
    return surest or (sure if any(rank is not None for rank in ranks.values()) else usual)


def headers_of(rows: Sequence[Sequence[str]], column: PhoneColumn) -> tuple[str, ...]:
    """What the columns are called, one for each; empty where a column has no header.

    In a header of two rows a name may stand in the upper one alone. A row with one cell is a title, not a header.
    """
    width = max(len(row) for row in rows)
    if column.header_at is None:
        return ("",) * width
    names = _padded(rows[column.header_at], width)
    upper = _padded(rows[column.header_at - 1], width) if column.header_at else []
    if sum(map(bool, upper)) > 1:
        names = [name or above for name, above in zip(names, upper, strict=True)]
    return tuple(names)


def _padded(row: Sequence[str], width: int) -> list[str]:
    return [visible(cell) for cell in row] + [""] * (width - len(row))


def folded(name: str) -> str:
    """A header as it is compared: without what displays nothing, case or full width."""
    return visible(_halved(name)).casefold()


def without_notes(name: str) -> str:
    """A header without its notes in brackets, marks and colons: 姓名 of `*姓名 (必填)：`."""
    return visible(_NOTES.sub("", _halved(name))).strip(_AROUND_NAME).casefold()


def _halved(text: str) -> str:
    """Full-width ASCII as ASCII."""
    return "".join(chr(ord(each) - 0xFEE0) if "！" <= each <= "～" else each for each in text)


def chosen(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """These columns of a table, also one twice, called by their place."""
    return pl.DataFrame([table.get_column(name).alias(str(place)) for place, name in enumerate(names)])


def sniff_delimiter(divided: Mapping[str, Sequence[Sequence[str]]], wanted: str | int | None = None) -> str:
    """The delimiter that divides at least half of the rows, and most of them into the same number of cells.

    `divided` has some rows as each of DELIMITERS divides them. If by some of them one of the first rows has the
    column named `wanted`, only these count. Returns NO_DELIMITER if no delimiter divides the rows.
    """
    name = folded(wanted) if isinstance(wanted, str) else ""
    heads = 1 if name.isdecimal() else HEADER_ROWS_MAX
    with_it = [
        each for each, rows in divided.items() if any(name == folded(cell) for row in rows[:heads] for cell in row)
    ]
    sure = bool(name and with_it) and len(with_it) < len(divided)
    best, best_score = with_it[0] if sure else NO_DELIMITER, (0.0, 0)
    for delimiter, rows in divided.items():
        if sure and delimiter not in with_it:
            continue
        widths = [len(row) for row in rows if row]
        if sum(width > 1 for width in widths) < max(1, SHARE_MIN * len(widths)):
            continue
        width = max(set(widths) - {1}, key=lambda wide: (widths.count(wide), wide))
        score = (widths.count(width) / len(widths), width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def split_rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of these lines."""
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def find_column(
    rows: Sequence[Sequence[str]],
    wanted: str | int | None,
    *,
    label: str,
    named: bool | None = None,
    header_at: int | None = None,
    hidden: Collection[int] = (),
    phs: bool = False,
) -> PhoneColumn:
    """The phone column of a list that begins with these rows. `named`: the first row is (not) a header, if known.

    `wanted` is a header or a number from 1; `header_at` the row that is the header, if the user says so; `hidden` are
    columns that are not shown and only taken if they are `wanted`. `phs`: fixed lines count, too. Raises InputError.
    """
    if not any(visible(cell) for row in rows for cell in row):
        raise EmptyInput("{label} is empty. Give a list with one phone number a row.", label=label)
    if named is True:
        header_at = 0
    sample = _Sample(rows, label, named=named, header_at=header_at, hidden=hidden, phs=phs)
    return sample.asked(wanted) if wanted is not None else sample.found()


class _Candidate(msgspec.Struct, frozen=True):
    """A column whose header names a phone column: how surely, and what is in it."""

    index: int
    exact: bool
    rank: int
    good: int
    filled: int
    reason: str

    @property
    def strong(self) -> bool:
        return self.rank < _WEAK


class _Sample:
    """The first rows of a list, cell by cell: what each displays, and which number it holds."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        label: str,
        *,
        named: bool | None,
        header_at: int | None,
        hidden: Collection[int],
        phs: bool,
    ) -> None:
        self._label = label
        self._named = named
        self._header_at = header_at
        self._hidden = frozenset(hidden)
        self._width = max(len(row) for row in rows)
        self._rows = [[visible(cell) for cell in row] for row in rows]
        self._columns: dict[int, list[str]] = {}
        self._numbers: dict[int, list[int]] = {}
        self._reasons: dict[int, list[str]] = {}
        for index in range(self._width):
            cells = [row[index] if index < len(row) else "" for row in rows]
            if any(cells) or self._width == 1:
                lines = "".join(f"{_one_line(cell)}\n" for cell in cells).encode("utf-8", "replace")
                numbers, reasons = normalise(lines, international=True, phs=phs)
                lines_too, _ = (numbers, reasons) if phs else normalise(lines, international=True, phs=True)
                self._columns[index] = [visible(cell) for cell in cells]
                self._numbers[index] = numbers.tolist()
                self._reasons[index] = [
                    _FIXED_LINE if fixed and not number else REASONS[code]
                    for code, number, fixed in zip(reasons.tolist(), numbers.tolist(), lines_too.tolist(), strict=True)
                ]

    # --- a column that is asked for ----------------------------------------------------------------------------------

    def asked(self, wanted: str | int) -> PhoneColumn:
        if isinstance(wanted, str):
            for compared in (folded, without_notes):
                found = self._by_name(wanted, compared)
                if found is not None:
                    return found
            if not wanted.strip().isdecimal():
                raise InputError(
                    '{label} has no column "{wanted}". It has: {columns}.',
                    label=self._label,
                    wanted=wanted,
                    columns=self._listed(self._guessed_header()),
                )
        index = int(wanted) - 1
        if not 0 <= index < self._width:
            listed = self._listed(self._guessed_header())
            raise NoColumn(
                "{label} has no column {wanted}: it has {width} ({columns}).",
                label=self._label,
                wanted=int(wanted),
                width=self._width,
                columns=listed,
            )
        return self._column(index, self._header_for(index))

    def _by_name(self, wanted: str, compared: Callable[[str], str]) -> PhoneColumn | None:
        rows = self._header_rows()
        for at in rows[:1] if wanted.strip().isdecimal() else rows:
            alike = [index for index, cell in enumerate(self._rows[at]) if cell and compared(cell) == compared(wanted)]
            if len(alike) > 1:
                raise InputError(self._twice(alike, at))
            if alike:
                return self._column(alike[0], at)
        return None

    def _header_rows(self) -> range:
        """The rows that may be the header."""
        if self._named is False:
            return range(0)
        if self._header_at is not None:
            return range(self._header_at, self._header_at + 1)
        return range(min(HEADER_ROWS_MAX, len(self._rows)))

    # --- a column by its header, or by its content -------------------------------------------------------------------

    def found(self) -> PhoneColumn:
        at = self._named_row()
        index = self._by_header(at) if at is not None else None
        if index is None:
            index = self._by_content(at)
        if at is None or not self._cell(index, at):
            at = self._header_for(index)
        if at is not None and self._goes_on_below(index, at):
            at += 1
        self._check_surplus(index, at)
        column = self._column(index, at)
        return msgspec.structs.replace(column, others=tuple(self._others(index, at)))

    def _goes_on_below(self, index: int, at: int) -> bool:
        """Whether the row below the header is a second row of it: it names the phone column once more."""
        if self._header_at is not None or self._named is not None or at + 1 not in self._header_rows():
            return False
        named = _named(self._cell(index, at + 1))
        return named is not None and named[0] and not any(self._number(each, at + 1) for each in self._columns)

    def _check_surplus(self, index: int, at: int | None) -> None:
        """Raises InputError if the lines have phone numbers behind the last column that has a header."""
        surplus = (
            [] if at is None else [each for each in self._likely(at) if each >= len(self._rows[at]) and each != index]
        )
        if surplus:
            raise InputError(
                "{label}: there are phone numbers behind the last column with a header "
                "({columns}). Put each number on a line of its own, or say which "
                "column is meant.",
                label=self._label,
                columns=joined(Sentence("column {number}", number=each + 1) for each in surplus),
                about="--column",
                do="Name it with {about}.",
            )

    def _named_row(self) -> int | None:
        """The row that is the header by the names in it: the first with the surest name."""
        best: tuple[int, int] | None = None
        for at in self._header_rows():
            ranks = [_named(cell) for index, cell in enumerate(self._rows[at]) if index not in self._hidden]
            known = [rank for rank in ranks if rank is not None]
            if not known or any(self._number(index, at) for index in self._columns):
                continue
            filled = sum(1 for cell in self._rows[at] if cell)
            exact = any(is_exact for is_exact, _ in known)
            if filled == 1 and not exact and self._typical_width() > 1:
                continue  # a title
            score = (0 if any(is_exact and rank < _WEAK for is_exact, rank in known) else 1, at)
            best = score if best is None else min(best, score)
        return best[1] if best is not None else None

    def _by_header(self, at: int) -> int | None:
        """The column that the header in row `at` names, or None if none of the names is to be believed."""
        found = [self._candidate(index, cell, at) for index, cell in enumerate(self._rows[at])]
        candidates = [each for each in found if each is not None]
        named = [each for each in candidates if each.index not in self._hidden]
        exact = [each for each in named if each.exact and each.strong]
        unseen = [
            each for each in candidates if each.index in self._hidden and each.exact and each.strong and each.good
        ]
        if unseen and not exact:
            raise InputError(
                "{label}: {name} names the phone numbers, but the column is hidden in "
                "the sheet. Show it there, or say which column is meant.",
                label=self._label,
                name=self._named_column(unseen[0].index, at),
                about="--column",
                do="Name it with {about}.",
            )
        if exact:
            rank = min(each.rank for each in exact)
            return self._one_of([each for each in exact if each.rank == rank], at)
        weak = [each for each in named if each.good or each.reason in _DAMAGED]
        if not weak and len(self._rows) == at + 1:
            weak = named
        return self._one_of(weak, at) if weak else None

    def _one_of(self, candidates: list[_Candidate], at: int) -> int:
        """The one that is meant. Raises InputError if it cannot be known, or if its numbers are damaged."""
        names = Counter(folded(self._cell(each.index, at)) for each in candidates)
        twice = next((name for name, count in names.items() if count > 1), None)
        if twice is not None:
            raise InputError(
                self._twice([each.index for each in candidates if folded(self._cell(each.index, at)) == twice], at)
            )
        good = [each for each in candidates if each.good]
        likely = [each for each in good if each.good >= SHARE_MIN * each.filled] or good
        damaged = [each for each in candidates if each.filled and not each.good]
        if len(likely) > 1:
            raise InputError(
                "{label}: columns {columns} are named like phone numbers equally well.",
                label=self._label,
                columns=self._called([each.index for each in likely], at),
                about="--column",
                do="Say which with {about}, by name or number.",
            )
        if likely and not damaged:
            return likely[0].index
        first = damaged[0] if damaged else candidates[0]
        others = [each for each in self._likely(at) if each not in self._hidden and each != first.index]
        if not others and first.reason not in _DAMAGED:
            return first.index  # reading it says of every row what is wrong
        raise InputError(self._refused(first, others, at))

    def _by_content(self, at: int | None) -> int:
        likely = [index for index in self._likely(at) if index not in self._hidden]
        if len(likely) > 1:
            advice = Sentence("Say which with --column.")
            if at is None and len(likely) == len(self._columns) and self._header_for(likely[0]) is None:
                advice = Sentence("Say which with --column, or put each number on a line of its own.")
            raise InputError(
                "{label}: columns {columns} all look like phone numbers. {advice}",
                label=self._label,
                columns=self._called(likely),
                advice=advice,
            )
        if likely:
            return likely[0]
        if self._width == 1 or len(self._columns) == 1:
            return next(iter(self._columns))
        header = self._guessed_header()
        reasons = [
            Sentence(
                "column {column}{quoted}: {why}",
                column=index + 1,
                quoted=self._quoted(index, header),
                why=_explained(reason),
            )
            for index in self._columns
            if (reason := self._usual_reason(index, header)) in _DAMAGED
        ]
        why = Sentence(" {reasons}.", reasons=joined(reasons, N_("{parts}; {part}"))) if reasons else ""
        unseen: Sentence | str = ""
        if self._hidden & self._columns.keys():
            unseen = Sentence(" Columns {columns} are hidden.", columns=self._called(sorted(self._hidden)))
        raise NoColumn(
            "{label}: no column looks like phone numbers (columns: {columns}).{why}{unseen}",
            label=self._label,
            columns=self._listed(header),
            why=why,
            unseen=unseen,
            about="--column",
            do="Say which with {about}, by its name or its number.",
        )

    def _likely(self, at: int | None) -> list[int]:
        """The columns whose content looks like phone numbers."""
        found = []
        start = 0 if at is None else at + 1
        for index, numbers in self._numbers.items():
            count = sum(1 for number in numbers[start:] if number)
            filled = sum(1 for cell in self._columns[index][start:] if cell)
            heads = 1 if at is None and not numbers[0] else 0
            if count and count >= SHARE_MIN * (filled - heads):
                found.append(index)
        return found

    def _others(self, index: int, at: int | None) -> Iterator[str]:
        for other in self._likely(at):
            if other != index:
                yield self._name(other, at)

    def _candidate(self, index: int, cell: str, at: int) -> _Candidate | None:
        named = _named(cell)
        if named is None or index not in self._columns:
            return None
        good = sum(1 for number in self._numbers[index][at + 1 :] if number)
        filled = sum(1 for each in self._columns[index][at + 1 :] if each)
        return _Candidate(index, *named, good, filled, "" if good else self._usual_reason(index, at))

    def _usual_reason(self, index: int, at: int | None) -> str:
        """Why most cells of a column are no numbers."""
        start = 0 if at is None else at + 1
        reasons = Counter(reason for reason in self._reasons[index][start:] if reason != "empty")
        return reasons.most_common(1)[0][0] if reasons else ""

    # --- the header --------------------------------------------------------------------------------------------------

    def _header_for(self, index: int) -> int | None:
        """The header above the numbers of a column whose name says nothing, or None."""
        rows = self._header_rows()
        if self._header_at is not None:
            return self._header_at
        numbers = self._numbers.get(index, [])
        first = next((at for at, number in enumerate(numbers) if number), None)
        if first is None:
            at = next((at for at in rows if self._cell(index, at)), None)
            cell = self._cell(index, at) if at is not None else ""
            bare = bool(cell) and (_named(cell) is not None or not any(each.isdigit() for each in cell))
            return at if bare else None
        wide = max(1, self._typical_width() / 2)
        above = [at for at in rows if at < first and _is_header(self._cell(index, at))]
        if wide == 1:  # nothing but its place tells a header from junk
            above = [at for at in above if not any(self._filled(higher) for higher in range(at))]
        return next((at for at in above if self._filled(at) >= wide), above[-1] if above else None)

    def _guessed_header(self) -> int | None:
        """The row to name the columns by, where nothing is known of them."""
        return next((at for at in self._header_rows() if self._filled(at) >= max(1, self._typical_width() / 2)), None)

    def _typical_width(self) -> int:
        """How many cells most rows have."""
        widths = Counter(count for at in range(len(self._rows)) if (count := self._filled(at)))
        return max(widths, key=lambda width: (widths[width], width)) if widths else 0

    def _filled(self, at: int) -> int:
        return sum(1 for cell in self._rows[at] if cell)

    # --- cells and words ---------------------------------------------------------------------------------------------

    def _cell(self, index: int, at: int) -> str:
        return self._rows[at][index] if index < len(self._rows[at]) else ""

    def _number(self, index: int, at: int) -> int:
        return self._numbers[index][at]

    def _column(self, index: int, at: int | None) -> PhoneColumn:
        start = 0 if at is None else at + 1
        numbers = [to_wire(number) for number in self._numbers.get(index, [])[start:] if number]
        samples = tuple(map(masked_number, dict.fromkeys(numbers[:SAMPLES])))
        bare = at is not None and self._header_at is None and self._typical_width() <= 1
        guessed = bare and at is not None and _named(self._cell(index, at)) is None
        above = sum(1 for row in range(at or 0) if self._filled(row))
        return PhoneColumn(index, self._name(index, at), at, samples, guessed=guessed, above=above)

    def _name(self, index: int, at: int | None) -> str:
        return str(self._named_column(index, at))

    def _named_column(self, index: int, at: int | None) -> Sentence:
        name = self._cell(index, at) if at is not None else ""
        if not name:
            return Sentence("column {column}", column=index + 1)
        return Sentence('"{name}" (column {column})', name=name[:NAME_CHARS_MAX], column=index + 1)

    def _quoted(self, index: int, at: int | None) -> str:
        name = self._cell(index, at) if at is not None else ""
        return f' ("{name[:NAME_CHARS_MAX]}")' if name else ""

    def _called(self, indices: Collection[int], at: int | None = None) -> str:
        header = self._guessed_header() if at is None else at
        return ", ".join(f'{index + 1} ("{self._cell(index, header or 0)[:NAME_CHARS_MAX]}")' for index in indices)

    def _listed(self, at: int | None) -> str:
        first = (self._rows[at] if at is not None else self._rows[0]) + [""] * self._width
        shown = [f'"{cell[:30]}"' for cell in first[: min(self._width, 20)]]
        return ", ".join(shown) + (", …" if self._width > 20 else "")

    def _twice(self, alike: Sequence[int], at: int) -> Sentence:
        numbers = joined((f"--column {index + 1}" for index in alike), N_("{parts} or {part}"))
        return Sentence(
            '{label}: {count} columns are called "{name}". Say which by its number: {numbers}.',
            label=self._label,
            count=len(alike),
            name=self._cell(alike[0], at),
            numbers=numbers,
        )

    def _refused(self, candidate: _Candidate, others: Sequence[int], at: int) -> Sentence:
        if candidate.reason == "scientific notation":
            advice = Sentence(ADVICE[candidate.reason])
            what = Sentence("it was saved in scientific notation: {advice}", advice=advice)
        elif not candidate.filled:
            what = Sentence("it is empty")
        else:
            what = Sentence(
                "none of its first {filled:,} values is a number ({reason})",
                filled=candidate.filled,
                reason=_explained(candidate.reason),
            )
        instead = Sentence(" Or name another column with --column.")
        if others:
            columns = self._called(others, at)
            instead = Sentence(" Only if another column is meant ({columns}), say so with --column.", columns=columns)
        return Sentence(
            "{label}: {name} names the phone numbers, but {what}.{instead}",
            label=self._label,
            name=self._named_column(candidate.index, at),
            what=what,
            instead=instead,
        )


_DAMAGED: Final = frozenset(REASONS) - {"", "empty", "no number", "too short"}
"""Reasons that speak of phone numbers that were damaged, not of other things."""


_FIXED_LINE: Final = N_("a fixed line")


def _explained(reason: str) -> Sentence | str:
    if reason not in ADVICE:
        return Sentence(reason) if reason else ""
    return Sentence("{reason}: {advice}", reason=Sentence(reason), advice=Sentence(ADVICE[reason]))


def _one_line(cell: str) -> str:
    return cell.replace("\n", " ")


def _is_header(cell: str) -> bool:
    """Whether a cell above numbers names them: it has letters, and too few digits for a damaged number."""
    digits = sum(each.isdigit() for each in cell)
    return any(each.isalpha() for each in cell) and digits <= HEADER_DIGITS_MAX


def _named(header: str) -> tuple[bool, int] | None:
    """(whether this header is just the name of a phone column, how sure that name is: 0 the surest), or None."""
    if not header or sum(each.isdigit() for each in header) > HEADER_DIGITS_MAX:
        return None
    bare = without_notes(_CAMEL.sub(" ", header))
    words = _WORDS.findall(bare)
    joined = "".join(words)
    if not words:
        return None
    for rank, names in enumerate(HEADERS):
        for name in names:
            inside = name in words or (not name.isascii() and any(name in word for word in words))
            if name == joined or inside:
                exact = not any(each.isdigit() for each in bare) and (
                    name == joined
                    or all(word in _FILLERS or any(word in ranked for ranked in HEADERS) for word in words)
                )
                return exact, rank
    return None
