"""A batch: up to 50,000 recipients as one record; the value is the comma-joined ASCII numbers themselves.

The HTTP vendors take this form on the wire, so a chunk is a slice of it. Metadata is in the record's headers, so that
the value needs no parsing: `count`, `sha256` (of the plain bytes), `enc` (`plain` or `zstd`). In a personalised
campaign's batch the Values of its recipients follow the numbers; the header `numbers` is the numbers' length in bytes.
A reader that does not know values cannot take it for a plain batch: its count does not fit.
Measured: zstd level 1 makes it 2.3x smaller and a Kafka produce 9x faster than the client's lz4.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import zstandard

RECIPIENTS_MAX: Final = 50_000
BYTES_MAX: Final = 900_000

Headers = tuple[tuple[str, bytes], ...]


class BrokenBatch(ValueError):
    """The stored bytes are not the batch that was written (missing header, wrong size or SHA-256)."""


class Values(msgspec.Struct, frozen=True, array_like=True):
    """Each recipient's values: a dictionary per variable, and each recipient's entry in it.

    All little-endian. For variable `names[i]`, recipient r has entry `rows[i][r]` (uint16): the UTF-8 bytes of
    `texts[i]` from the end of the previous entry to `ends[i][entry]` (uint32). Texts of a dictionary are distinct.
    """

    names: tuple[str, ...]
    ends: tuple[bytes, ...]
    texts: tuple[bytes, ...]
    rows: tuple[bytes, ...]


def pack(
    numbers: bytes, count: int, *, attempt: str = "", batch: int = 0, values: Values | None = None
) -> tuple[bytes, Headers, bytes]:
    """(value, headers, sha256) of a batch of `count` comma-joined numbers. Raises ValueError over the limits."""
    plain = numbers if values is None else numbers + msgspec.msgpack.encode(values)
    if not 0 < count <= RECIPIENTS_MAX or len(plain) > BYTES_MAX:
        raise ValueError(f"a batch holds 1 to {RECIPIENTS_MAX} recipients in {BYTES_MAX} bytes")
    sha256 = hashlib.sha256(plain).digest()
    packed = zstandard.ZstdCompressor(level=1).compress(plain)
    headers: Headers = (
        ("count", b"%d" % count),
        ("sha256", sha256),
        ("enc", b"zstd"),
        ("attempt", attempt.encode()),
        ("batch", b"%d" % batch),
    )
    if values is not None:
        headers = (*headers, ("numbers", b"%d" % len(numbers)))
    return packed, headers, sha256


def unpack(value: bytes, headers: Headers, sha256: bytes | None = None) -> tuple[bytes, int]:
    """(numbers, count) of a stored batch, checked against its own SHA-256 and, if given, the job's.

    Raises BrokenBatch.
    """
    plain, count, size = _plain(value, headers, sha256)
    return plain[:size], count


def unpack_values(value: bytes, headers: Headers, sha256: bytes | None = None) -> tuple[bytes, int, Values | None]:
    """As `unpack`, with the recipients' values; None if it is not a personalised campaign's. Raises BrokenBatch."""
    plain, count, size = _plain(value, headers, sha256)
    if size == len(plain):
        return plain, count, None
    try:
        values = msgspec.msgpack.decode(memoryview(plain)[size:], type=Values)
    except msgspec.MsgspecError as error:
        raise BrokenBatch(f"the batch's values cannot be read: {error}") from error
    if {len(values.ends), len(values.texts), len(values.rows)} != {len(values.names)}:
        raise BrokenBatch("the batch's values are not of one number of variables")
    if any(len(rows) != 2 * count for rows in values.rows):
        raise BrokenBatch("the batch's values are not of as many recipients as its numbers")
    return plain[:size], count, values


def _plain(value: bytes, headers: Headers, sha256: bytes | None) -> tuple[bytes, int, int]:
    """(the plain bytes, count, length of the numbers in bytes)."""
    fields = dict(headers)
    try:
        count, digest, enc = int(fields["count"]), fields["sha256"], fields["enc"]
        size = int(fields["numbers"]) if "numbers" in fields else None
    except (KeyError, ValueError) as error:
        raise BrokenBatch("the batch's headers are missing or damaged") from error
    if enc == b"zstd":
        try:
            value = zstandard.ZstdDecompressor().decompress(value, max_output_size=BYTES_MAX)
        except zstandard.ZstdError as error:
            raise BrokenBatch("the batch does not decompress") from error
    elif enc != b"plain":
        raise BrokenBatch(f"the batch has an unknown encoding {enc!r}")
    if hashlib.sha256(value).digest() != digest or (sha256 is not None and digest != sha256):
        raise BrokenBatch("the batch's SHA-256 is not what the launch wrote")
    return value, count, len(value) if size is None else size
