"""Blocks of a list as they are read, and how they travel from the process that reads to the one that launches.

A message is a small header in MessagePack and behind it the buffers it counts: numbers as int64, odd values as text,
values of placeholders as an Arrow stream. Nothing is pickled, and nothing of a header is believed beyond its type.
"""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from producers.lists.columns import Choice, Table, find_columns
from producers.lists.normalise import Block, normalise
from producers.lists.phone_column import PhoneColumn

HEADER_BYTES_MAX: Final = 16 << 20
_PREFIX: Final = struct.Struct("<II")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be read of a list, and how.

    `names` are the placeholders whose columns are wanted; `every_column`: all columns are, in their order.
    """

    choice: Choice = Choice()
    names: tuple[str, ...] = ()
    every_column: bool = False
    international: bool = False
    phs: bool = False

    @property
    def wants_values(self) -> bool:
        """Whether more than the numbers is wanted."""
        return self.every_column or bool(self.names)

    def columns(self, headers: Sequence[str], label: str) -> list[int]:
        """Which columns are wanted. Raises InputError."""
        return list(range(len(headers))) if self.every_column else find_columns(self.names, headers, label)


class ListBlock(msgspec.Struct, frozen=True):
    """A block of rows: what their phone column holds, and on which lines they begin (`Table`).

    `values`, if placeholders are wanted: the phone column as it is written, and behind it a column for each of them.
    `bytes_read` is how far a text file was read.
    """

    block: Block
    values: pl.DataFrame | None
    first: int
    lines: NDArray[np.int64] | None
    bytes_read: int = 0


def block_of(table: Table, reading: Reading, bytes_read: int) -> ListBlock:
    """The block of these rows."""
    frame = table.frame
    block = normalise(frame.to_series(), international=reading.international, phs=reading.phs)
    return ListBlock(block, frame if reading.wants_values else None, table.first, table.lines, bytes_read)


# --- messages --------------------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, tag=True):
    """Read the file whose descriptor comes along."""

    label: str
    reading: Reading


class Found(msgspec.Struct, frozen=True, tag=True):
    """The list is open: what its columns are, and the sheets of a workbook."""

    column: PhoneColumn | None
    headers: tuple[str, ...]
    header_line: int | None
    sheets: tuple[str, ...] = ()


class BlockMessage(msgspec.Struct, frozen=True, tag=True):
    """A part; its buffers are numbers, odd rows, odd values, odd reasons, lines (may be empty), values (may be)."""

    first: int
    has_lines: bool
    has_values: bool
    bytes_read: int


class Read(msgspec.Struct, frozen=True, tag=True):
    """The list is read to its end."""

    encoding: str
    notes: tuple[str, ...]
    hidden_rows: int
    bytes_read: int


class ListMistake(msgspec.Struct, frozen=True, tag=True):
    """The list cannot be used: a sentence as JSON. `empty`: there is nothing in it. `sheets`: those of a workbook."""

    sentence: dict[str, Any]
    empty: bool = False
    sheets: tuple[str, ...] = ()


Message = Request | Found | BlockMessage | Read | ListMistake
_DECODER: Final = msgspec.msgpack.Decoder(tuple[Message, list[int]])


class Connection:
    """One end of the socket between the two processes. Raises OSError, and EOFError when the other end is gone."""

    def __init__(self, end: socket.socket) -> None:
        self.socket: Final = end

    def send(self, message: Message, buffers: Sequence[bytes | memoryview] = ()) -> None:
        """Send a message and its buffers."""
        header = msgspec.msgpack.encode((message, [len(buffer) for buffer in buffers]))
        self.socket.sendall(_PREFIX.pack(len(header), 0) + header)
        for buffer in buffers:
            self.socket.sendall(buffer)

    def send_with_file(self, message: Message, descriptor: int) -> None:
        """Send a message without buffers, and an open file."""
        header = msgspec.msgpack.encode((message, []))
        whole = _PREFIX.pack(len(header), 1) + header
        sent = socket.send_fds(self.socket, [whole], [descriptor])
        self.socket.sendall(whole[sent:])

    def receive(self) -> tuple[Message, list[bytearray], int | None]:
        """The next message, its buffers, and the file that came along."""
        start, descriptors, _, _ = socket.recv_fds(self.socket, _PREFIX.size, 1)
        if not start:
            raise EOFError
        size, files = _PREFIX.unpack(start + self._exactly(_PREFIX.size - len(start)))
        if size > HEADER_BYTES_MAX or files != len(descriptors):
            raise EOFError
        message, sizes = _DECODER.decode(self._exactly(size))
        return message, [self._exactly(each) for each in sizes], descriptors[0] if descriptors else None

    def _exactly(self, size: int) -> bytearray:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            received = self.socket.recv_into(view)
            if not received:
                raise EOFError
            view = view[received:]
        return buffer


def sent_part(part: ListBlock) -> tuple[BlockMessage, list[bytes | memoryview]]:
    """A part as a message and its buffers."""
    block, values = part.block, b""
    if part.values is not None:
        stream = io.BytesIO()
        part.values.write_ipc_stream(stream, compression="uncompressed")
        values = stream.getvalue()
    lines = np.empty(0, np.int64) if part.lines is None else part.lines
    buffers: list[bytes | memoryview] = [
        _bytes(block.numbers),
        _bytes(block.odd_rows),
        block.odd_values,
        _bytes(block.odd_reasons),
        _bytes(lines),
        values,
    ]
    return BlockMessage(part.first, part.lines is not None, part.values is not None, part.bytes_read), buffers


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).view(np.uint8).data


def received_part(rows: BlockMessage, buffers: Sequence[bytearray]) -> ListBlock:
    """The part of a message and its buffers."""
    numbers, odd_rows, odd_values, odd_reasons, lines, values = buffers
    block = Block(
        np.frombuffer(numbers, np.int64),
        np.frombuffer(odd_rows, np.uint32),
        bytes(odd_values),
        np.frombuffer(odd_reasons, np.uint8),
    )
    return ListBlock(
        block,
        pl.read_ipc_stream(io.BytesIO(values)) if rows.has_values else None,
        rows.first,
        np.frombuffer(lines, np.int64) if rows.has_lines else None,
        rows.bytes_read,
    )
