"""Which recipients are in which wave, and which of several texts they get. Pure.

A person writes "1 %, 10 %, rest" (shares of the list) or "500, 10 %, rest" (recipients). Who is in a wave is decided by
a hash of the number, with the campaign's id as salt: every wave is a random sample of the list, the same one if the
launch is repeated, and another one in the next campaign, so that the same people are not always first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.sentences import WordedError

WAVES_MAX: Final = 10
TEXTS_MAX: Final = 5
REST: Final = "rest"
TEST_WAVES: Final = "10 %, rest"
"""The waves of a campaign with several texts, unless others are given."""

_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_COUNT: Final = re.compile(r"[0-9][0-9,_]*")
_BLOCK: Final = 1 << 20


class WavesBroken(WordedError, ValueError):
    """The waves cannot be read, or the list is too small for them; the message is for a person."""


class Share(msgspec.Struct, frozen=True):
    """A wave before the list is known: `part` of the list, or this many `recipients` if `part` is 0."""

    part: Fraction
    recipients: int = 0

    def of(self, listed: int) -> int:
        """How many recipients of a list that is this are; at least 1."""
        return max(1, round(self.part * listed)) if self.part else self.recipients


def parse(text: str) -> tuple[Share, ...]:
    """The waves before the last one, which is the rest. Raises WavesBroken."""
    words = [word.strip().casefold() for word in re.split(r"[,;、，](?!\d{3}\b)", text)]
    if words == [REST]:
        raise WavesBroken(
            'the waves "rest" are one wave. Write a share before the rest, for example "1 %, rest"', about="--waves"
        )
    if REST in words[:-1]:
        raise WavesBroken(
            'the waves "{text}" must have the rest once, at their end, for example "1 %, 10 %, rest"',
            text=text,
            about="--waves",
        )
    if len(words) < 2 or words[-1] != REST:
        raise WavesBroken(
            'the waves "{text}" must end with the rest, for example "1 %, 10 %, rest"', text=text, about="--waves"
        )
    if len(words) > WAVES_MAX:
        raise WavesBroken("{count} waves are too many: {max} at most", count=len(words), max=WAVES_MAX, about="--waves")
    shares = tuple(_share(word) for word in words[:-1])
    if sum((share.part for share in shares), Fraction(0)) >= 1:
        raise WavesBroken('the waves "{text}" leave nothing for the rest', text=text, about="--waves")
    return shares


def _share(word: str) -> Share:
    if (found := _SHARE.fullmatch(word)) is not None and Fraction(found[1]) > 0:
        return Share(Fraction(found[1]) / 100)
    if _COUNT.fullmatch(word) and int(re.sub(r"[,_]", "", word)) > 0:
        return Share(Fraction(0), int(re.sub(r"[,_]", "", word)))
    raise WavesBroken(
        '"{word}" is not a wave: write a share of the list ("1 %") or a number of recipients ("500")',
        word=word,
        about="--waves",
    )


def sizes(shares: Sequence[Share], listed: int) -> tuple[int, ...]:
    """The recipients of every wave of a list that is this long, the rest included. Raises WavesBroken."""
    first = [share.of(listed) for share in shares]
    rest = listed - sum(first)
    if rest < 1:
        raise WavesBroken(
            "a list of {recipients:,} recipients is too small for waves of {waves} and a rest",
            recipients=listed,
            waves=_numbers(first),
            about="--waves",
        )
    return (*first, rest)


def _numbers(counts: Sequence[int]) -> str:
    return ", ".join(f"{count:,}" for count in counts)


class Group(msgspec.Struct, frozen=True):
    """Recipients that are sent together: those of one wave that get one text.

    `wave` counts from 1. `variant` is the text's index; None: the text that is decided later.
    """

    wave: int
    variant: int | None
    recipients: int


def groups(wave_sizes: Sequence[int], texts: int = 1) -> tuple[Group, ...]:
    """The groups in the order of sending. With several texts every wave but the last is split into equal shares."""
    if texts == 1:
        return tuple(Group(wave, 0, size) for wave, size in enumerate(wave_sizes, 1))
    found: list[Group] = []
    for wave, size in enumerate(wave_sizes[:-1], 1):
        if size < texts:
            raise WavesBroken(
                "wave {wave} has {size:,} recipients for {texts} texts: make it larger",
                wave=wave,
                size=size,
                texts=texts,
                about="--waves",
            )
        share, more = divmod(size, texts)
        found.extend(Group(wave, variant, share + (variant < more)) for variant in range(texts))
    return (*found, Group(len(wave_sizes), None, wave_sizes[-1]))


def membership(blocks: Iterator[NDArray[np.int64]], campaign: str, counts: Sequence[int]) -> NDArray[np.uint8]:
    """For each number, the index of its group: exactly `counts` of them. The numbers are distinct.

    Groups of one wave are neighbours in `counts`, so a text's share of a wave is random, too.
    """
    salt = np.uint64(int.from_bytes(hashlib.sha256(campaign.encode()).digest()[:8], "little"))
    keys = np.concatenate([_mixed(numbers.astype(np.uint64) ^ salt) for numbers in blocks])
    ends = np.cumsum(counts)[:-1]
    if not len(ends):
        return np.zeros(len(keys), np.uint8)
    firsts = np.partition(keys, ends)[ends]  # the lowest key of every later group; keys are distinct
    found = np.empty(len(keys), np.uint8)
    for start in range(0, len(keys), _BLOCK):
        found[start : start + _BLOCK] = np.searchsorted(firsts, keys[start : start + _BLOCK], side="right")
    return found


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser: a bijection of 64 bits, so distinct numbers have distinct keys."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
