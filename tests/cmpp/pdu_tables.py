"""The tables of docs/CMPP.md, made from the tables of dispatcher/cmpp/pdus.py.

python -m tests.cmpp.pdu_tables        writes them into the document
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dispatcher.cmpp.layout import Pdu
from dispatcher.cmpp.pdus import BODIES, KINDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "CMPP.md"
START, END = "<!-- pdus -->\n", "<!-- end of pdus -->"


def written(document: str) -> str:
    """The document with its tables as they should be."""
    before, start, rest = document.partition(START)
    assert start, f"docs/CMPP.md has lost its mark {START!r}"
    return before + START + "\n".join(_tables()) + END + rest.partition(END)[2]


def _tables() -> Iterator[str]:
    for kind in KINDS:
        yield f"### {kind.__name__}\n\n`0x{kind.command:08x}`, {kind.layout.total()} octets. {_says(kind)}\n"
        yield from _rows(kind, 0)
    for kind in BODIES:
        yield f"### {kind.__name__}\n\n{kind.layout.body_bytes_min} octets. {_says(kind)}\n"
        yield from _rows(kind, 12)


def _says(kind: type[Pdu]) -> str:
    return (kind.__doc__ or "").strip()


def _rows(kind: type[Pdu], offset: int) -> Iterator[str]:
    rows = list(kind.layout.rows())
    if not rows:
        return
    yield "| offset | field | here | octets | type | meaning |\n|---|---|---|---|---|---|"
    for row in rows:
        at = row.offset if not offset else str(int(row.offset) - offset)
        here = f"`{row.attribute}`" if row.attribute else ""
        yield f"| {at} | {row.title} | {here} | {row.size} | {row.kind} | {row.note} |"
    yield ""


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
