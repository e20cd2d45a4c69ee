"""Services of the API for a process of their own: they take JSON values, and read the files of uploads.

A list that was uploaded as gzip is unpacked, and NDJSON becomes CSV, into files without a name that end with the
process.
"""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import polars as pl

from dispatcher.errors import InputError
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamOpened, StreamRequest, open_stream
from producers.drafts.api import DraftResult, draft_of_terms
from producers.lists.opening import NamedFile

LABEL: Final = "the uploaded list"
READ_BYTES: Final = 1_048_576
UNPACKED_RATIO_MAX: Final = 100
NDJSON: Final = "application/x-ndjson"
_READING: Final = ("column", "sheet", "header_row", "hidden_rows", "encoding")


async def draft_upload(
    session: Session,
    *,
    campaign: str,
    terms: dict[str, Any],
    path: str,
    content_type: str,
    content_encoding: str,
    by: str,
    ask_balance: bool,
) -> DraftResult:
    """Draft a campaign with the list in this file. Raises UserError, LogError."""
    reading = {name: terms[name] for name in _READING if terms.get(name) is not None}
    others = {name: value for name, value in terms.items() if name not in _READING and value is not None}
    with tempfile.TemporaryDirectory(dir=Path(path).parent, prefix=".reading-") as folder:
        numbers = NamedFile(str(_readable(Path(path), content_type, content_encoding, Path(folder))), LABEL)
        return await draft_of_terms(
            session, campaign, others, lists=[numbers], choice=reading, ask_balance=ask_balance, by=by
        )


async def open_stream_by_terms(session: Session, *, request: dict[str, Any]) -> StreamOpened:
    """`open_stream` with a request as JSON has it. Raises UserError, LogError."""
    return await open_stream(session, msgspec.convert(request, StreamRequest))


def _readable(path: Path, content_type: str, content_encoding: str, folder: Path) -> Path:
    """The list as a file that lists are read from. Raises InputError."""
    if content_encoding == "gzip":
        unpacked = folder / "unpacked"
        with path.open("rb") as packed, unpacked.open("wb") as out:
            _unpack(packed, out, path.stat().st_size * UNPACKED_RATIO_MAX)
        path = unpacked
    if content_type == NDJSON:
        table = folder / "list.csv"
        try:
            pl.scan_ndjson(path, infer_schema_length=1_000).sink_csv(table)
        except (pl.exceptions.PolarsError, OSError) as error:
            first = str(error).partition("\n")[0].replace(str(path), LABEL)
            raise InputError(
                "the list is not NDJSON ({first}). Write one object with the same keys per line.", first=first
            ) from error
        path = table
    return path


def _unpack(packed: IO[bytes], out: IO[bytes], bytes_max: int) -> None:
    """Raises InputError."""
    unpacking, size = zlib.decompressobj(zlib.MAX_WBITS + 16), 0
    try:
        while piece := packed.read(READ_BYTES):
            while piece:
                part = unpacking.decompress(piece, READ_BYTES)
                size += len(part)
                if size > bytes_max:
                    raise InputError(
                        "the list unpacks to more than {max} times its size.",
                        max=UNPACKED_RATIO_MAX,
                    )
                out.write(part)
                piece = unpacking.unconsumed_tail
                if unpacking.eof and unpacking.unused_data:  # another member follows
                    piece, unpacking = unpacking.unused_data, zlib.decompressobj(zlib.MAX_WBITS + 16)
    except zlib.error as error:
        raise InputError("the list is not gzip, as Content-Encoding says. Upload it again.") from error
    if not unpacking.eof:
        raise InputError("the list ends in the middle of its gzip data. Upload it again.")
