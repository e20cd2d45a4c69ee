"""How a PDU lies in its octets: one table, from which packing, unpacking and documentation come (vendors.md 6.3).

A PDU is a class whose annotations are the table, in the order of the wire:

    @pdu(0x80000004)
    class SubmitResp(Pdu, frozen=True):
        msg_id: Annotated[int, uint(8, "Msg_Id")] = 0
        result: Annotated[int, uint(1, "Result", "0: taken")] = 0

Pure. Octet strings are cut at the first NUL and stripped of blanks when they are read (AMB-CMPP-28).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from enum import Enum
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar, get_type_hints

import msgspec

HEADER_BYTES = 12
HEADER = struct.Struct(">III")
NUMBER_BYTES = 21
RESPONSE = 0x80000000


class Kind(Enum):
    """How a field is written."""

    UINT = "uint"
    INT = "int"
    OCTETS = "octets"
    RIGHT = "octets, right-aligned, '0' on the left"
    RAW = "octets as they are"
    NUMBERS = "list"
    CONTENT = "content"


class Field(NamedTuple):
    """One field: its octets (of a list and of a content: those of one item), its name in the document, what it says."""

    kind: Kind
    size: int
    title: str
    note: str = ""


class Row(NamedTuple):
    """A line of a PDU's documentation."""

    offset: str
    title: str
    attribute: str
    size: str
    kind: str
    note: str


def uint(size: int, title: str, note: str = "") -> Field:
    """An unsigned number of 1, 2, 4 or 8 octets."""
    return Field(Kind.UINT, size, title, note)


def sint(size: int, title: str, note: str = "") -> Field:
    """A signed number."""
    return Field(Kind.INT, size, title, note)


def octets(size: int, title: str, note: str = "") -> Field:
    """A string, NUL on its right."""
    return Field(Kind.OCTETS, size, title, note)


def right(size: int, title: str, note: str = "") -> Field:
    """A string, ASCII zeros on its left."""
    return Field(Kind.RIGHT, size, title, note)


def raw(size: int, title: str, note: str = "") -> Field:
    """Octets that are no text: read and written as they are."""
    return Field(Kind.RAW, size, title, note)


def numbers(title: str, note: str = "") -> Field:
    """A count of one octet, then that many strings of 21 octets."""
    return Field(Kind.NUMBERS, NUMBER_BYTES, title, note)


def content(title: str, note: str = "") -> Field:
    """A length of one octet, then that many octets."""
    return Field(Kind.CONTENT, 1, title, note)


class Pdu(msgspec.Struct, frozen=True):
    """A PDU without its header."""

    layout: ClassVar[Layout]
    command: ClassVar[int]

    def pack(self, sequence: int) -> bytes:
        """The whole frame. ValueError names the field that does not fit."""
        return self.layout.pack(sequence, self)


P = TypeVar("P", bound=Pdu)


def pdu(command: int) -> Callable[[type[P]], type[P]]:
    """Makes a PDU of a class whose annotations are fields."""

    def made(kind: type[P]) -> type[P]:
        hints = get_type_hints(kind, include_extras=True)
        fields = {
            name: next(mark for mark in hint.__metadata__ if isinstance(mark, Field))
            for name, hint in hints.items()
            if hasattr(hint, "__metadata__")
        }
        kind.command = command
        kind.layout = Layout(command, kind, fields)
        return kind

    return made


class Layout:
    """The table of one PDU, compiled: runs of fixed fields, each one `struct`, between its list and its content."""

    def __init__(self, command: int, kind: type[Pdu], fields: dict[str, Field]) -> None:
        self.command = command
        self.kind = kind
        self.fields = fields
        self._runs: list[_Run | Field] = []
        run: list[tuple[str, Field]] = []
        for name, field in fields.items():
            if field.kind in (Kind.NUMBERS, Kind.CONTENT):
                if run:
                    self._runs.append(_Run(run))
                    run = []
                self._runs.append(field)
            else:
                run.append((name, field))
        if run:
            self._runs.append(_Run(run))
        self.variable = any(isinstance(part, Field) for part in self._runs)
        self.body_bytes_min = sum(1 if isinstance(part, Field) else part.size for part in self._runs)
        self._values: Callable[[Pdu], tuple[Any, ...]] = _getter(list(fields))

    @property
    def name(self) -> str:
        """The name of the PDU's class."""
        return self.kind.__name__

    def pack(self, sequence: int, pdu: Pdu) -> bytes:
        """Header and body."""
        values = self._values(pdu)
        pieces = []
        at = 0
        for part in self._runs:
            if isinstance(part, Field):
                pieces.append(_pack_variable(part, values[at]))
                at += 1
            else:
                pieces.append(part.pack(values[at : at + part.count]))
                at += part.count
        body = b"".join(pieces)
        return HEADER.pack(HEADER_BYTES + len(body), self.command, sequence) + body

    def unpack(self, body: bytes) -> Pdu | str:
        """The PDU, or what is wrong with its length."""
        values: list[Any] = []
        at, end = 0, len(body)
        for part in self._runs:
            if not isinstance(part, Field):
                if end - at < part.size:
                    return self._wrong_length(end)
                values += part.unpack(body, at)
                at += part.size
                continue
            if at == end:
                return self._wrong_length(end)
            size = body[at] * part.size
            at += 1
            if end - at < size:
                return f"{part.title} of {self.name} goes beyond the end of the frame"
            values.append(_unpack_variable(part, body[at : at + size]))
            at += size
        if at != end:
            return self._wrong_length(end)
        return self.kind(*values)

    def _wrong_length(self, body_bytes: int) -> str:
        due = HEADER_BYTES + self.body_bytes_min
        more = " and what its list and content have" if self.variable else ""
        return f"{self.name} of {HEADER_BYTES + body_bytes} octets: its table says {due}{more}"

    def octets_before(self, name: str) -> int:
        """Octets of the body before this field; those before it are of fixed size."""
        at = 0
        for each, field in self.fields.items():
            if each == name:
                return at
            if field.kind in (Kind.NUMBERS, Kind.CONTENT):
                break
            at += field.size
        raise ValueError(f"{self.name} has no place for {name} that is always the same")

    def rows(self) -> Iterator[Row]:
        """The documentation of each field."""
        at, beyond = HEADER_BYTES, ""
        for name, field in self.fields.items():
            if field.kind is Kind.NUMBERS:
                yield Row(f"{at}{beyond}", f"number of {field.title}", "", "1", "uint", "n")
                yield Row(f"{at + 1}{beyond}", field.title, name, f"{field.size}·n", "octets", field.note)
                at, beyond = at + 1, f"{beyond}+{field.size}n"
            elif field.kind is Kind.CONTENT:
                yield Row(f"{at}{beyond}", "Msg_Length", "", "1", "uint", "L")
                yield Row(f"{at + 1}{beyond}", field.title, name, "L", "octets as they are", field.note)
                at, beyond = at + 1, f"{beyond}+L"
            else:
                yield Row(f"{at}{beyond}", field.title, name, str(field.size), field.kind.value, field.note)
                at += field.size

    def total(self) -> str:
        """The octets of the whole frame, in words of its table."""
        beyond = {Kind.NUMBERS: f" + {NUMBER_BYTES}·n", Kind.CONTENT: " + L"}
        return f"{HEADER_BYTES + self.body_bytes_min}" + "".join(beyond.get(f.kind, "") for f in self.fields.values())


class _Run:
    """Neighbouring fields of fixed size."""

    def __init__(self, fields: list[tuple[str, Field]]) -> None:
        self._fields = [field for _, field in fields]
        self._struct = struct.Struct(">" + "".join(map(_code, self._fields)))
        self._strings = [
            (place, field.size, field.title, field.kind)
            for place, field in enumerate(self._fields)
            if field.kind not in (Kind.UINT, Kind.INT)
        ]
        self._trimmed = [place for place, _, _, kind in self._strings if kind is Kind.OCTETS]
        self.size = self._struct.size
        self.count = len(fields)

    def pack(self, values: tuple[Any, ...]) -> bytes:
        written = list(values)
        for place, size, title, kind in self._strings:
            value = written[place]
            if len(value) > size:
                raise ValueError(f"{title} has {len(value)} octets; at most {size} fit")
            if kind is Kind.RIGHT:
                written[place] = value.rjust(size, b"0")
        try:
            return self._struct.pack(*written)
        except struct.error as error:
            for field, value in zip(self._fields, written, strict=True):
                if isinstance(value, int) and not _fits(field, value):
                    raise ValueError(f"{field.title} = {value} does not fit into {field.size} octets") from None
            raise ValueError(str(error)) from None

    def unpack(self, body: bytes, at: int) -> list[Any]:
        values = list(self._struct.unpack_from(body, at))
        for place in self._trimmed:
            values[place] = trimmed(values[place])
        return values


def trimmed(value: bytes) -> bytes:
    """An octet string as it is meant: up to the first NUL, without blanks around it."""
    end = value.find(0)
    return (value if end < 0 else value[:end]).strip(b" ")


def _fits(field: Field, value: int) -> bool:
    bits = 8 * field.size
    return 0 <= value < 1 << bits if field.kind is Kind.UINT else -(1 << bits - 1) <= value < 1 << bits - 1


def _code(field: Field) -> str:
    if field.kind is Kind.UINT:
        return {1: "B", 2: "H", 4: "I", 8: "Q"}[field.size]
    if field.kind is Kind.INT:
        return {4: "i"}[field.size]
    return f"{field.size}s"


def _getter(names: list[str]) -> Callable[[Pdu], tuple[Any, ...]]:
    if not names:
        return lambda pdu: ()
    if len(names) == 1:
        name = names[0]
        return lambda pdu: (getattr(pdu, name),)
    return attrgetter(*names)


def _pack_variable(field: Field, value: Any) -> bytes:
    if len(value) > 255:
        raise ValueError(f"{field.title} has {len(value)} items; its count is one octet, at most 255")
    if field.kind is Kind.CONTENT:
        return bytes((len(value), *value))
    for number in value:
        if len(number) > field.size:
            raise ValueError(f"{field.title} has an item of {len(number)} octets; at most {field.size} fit")
    return bytes((len(value),)) + b"".join(number.ljust(field.size, b"\0") for number in value)


def _unpack_variable(field: Field, octets: bytes) -> Any:
    if field.kind is Kind.CONTENT:
        return octets
    return tuple(trimmed(octets[at : at + field.size]) for at in range(0, len(octets), field.size))
