"""The unknown pieces of a store, put together by chunk for people: they decide about a request. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

from dispatcher.core.results.places import PIECES, intent_of
from dispatcher.store.views import UnknownChunk


class UnknownPiece(msgspec.Struct, frozen=True):
    """An unknown piece with `pending` recipients that are unknown, in the order of a store's columns."""

    id: int
    account: str
    campaign: str
    batch: int
    start: int
    count: int
    whole: int
    pending: int
    attempt: int
    since_ms: int
    code: str
    text: str


def unknown_chunks(pieces: Iterable[UnknownPiece]) -> list[UnknownChunk]:
    """The chunks of these pieces, the one that is unknown for the longest first."""
    found = [
        (list(of_chunk), id_)
        for id_, of_chunk in groupby(sorted(pieces, key=lambda each: each.id), key=lambda each: each.id // PIECES)
    ]
    found.sort(key=lambda each: (min(piece.since_ms for piece in each[0]), each[1]))
    return [_together(of_chunk) for of_chunk, _ in found]


def _together(pieces: list[UnknownPiece]) -> UnknownChunk:
    first = pieces[0]
    partition, intent = intent_of(first.id)
    return UnknownChunk(
        partition=partition,
        intent=intent,
        account=first.account,
        campaign=first.campaign,
        batch=first.batch,
        start=first.start - first.id % PIECES,
        count=first.whole,
        recipients=sum(piece.pending for piece in pieces),
        attempt=first.attempt,
        since_ms=min(piece.since_ms for piece in pieces),
        code=first.code,
        text=first.text,
        ranges=tuple((piece.id % PIECES, piece.count) for piece in pieces),
    )
