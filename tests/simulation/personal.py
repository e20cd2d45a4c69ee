"""Personalised campaigns in a history: each text follows from its number, so that the vendor can judge what it gets.

`run` recipients in a row share a text; every third text has two parts, every fourth a value that no road for variables
carries. Nothing here draws from the world's chances: a history without personalised campaigns is what it was.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final

import polars as pl

from dispatcher.core.lane.effects import Send
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.template import Template, VariableLimits, parse
from dispatcher.core.messages.text import Split, parts
from producers.launch.personal_values import packed_values

TEXT: Final = "hi {a}, {b}"
SPLIT: Final = Split(70, 67)
RUNS: Final = (0, 7, 40, 200)
PERSONAL_SHARE: Final = 0.35
PARTS_MAX: Final = 2
_TEMPLATE: Final[Template] = parse(TEXT)


def runs_of(seed: int, campaigns: int) -> list[int]:
    """How many recipients of each campaign share a text; 0: it is not personalised."""
    rng = random.Random(f"{seed}, personal")
    return rng.choices(RUNS, k=campaigns) if rng.random() < PERSONAL_SHARE else [0] * campaigns


def batch_limits_of(seed: int) -> VariableLimits | None:
    """Whether the vendor takes many texts in a request."""
    rng = random.Random(f"{seed}, road")
    most = rng.choice([0, 2, 50])
    return VariableLimits(recipients_max=most, separators=(",",)) if most else None


def text_of(number: int, run: int) -> str:
    """What this number gets."""
    return "hi {}, {}".format(*values_of(number, run))


def personal(first: int, count: int, run: int, batch_limits: VariableLimits | None) -> Personal:
    """The texts of so many recipients from this number on."""
    rows = [values_of(number, run) for number in range(first, first + count)]
    columns = [pl.Series(column, dtype=pl.String) for column in zip(*rows, strict=True)]
    return Personal(packed_values(_TEMPLATE.names, columns), _TEMPLATE, SPLIT, batch_limits)


def texts_sent(send: Send, batch_limits: VariableLimits | None) -> list[str] | None:
    """What the request carries for each of its numbers, as a driver makes it; None if all get the campaign's text.

    Raises ValueError if it is more than the vendor takes in one.
    """
    texts = send.texts
    if texts is None:
        return None
    if (text := texts.text) is not None:
        return [text] * send.count
    if batch_limits is None or send.count > batch_limits.recipients_max:
        raise ValueError(f"{send.count} recipients with more than one text in a request")
    if any(separator in value for row in texts.values for value in row for separator in batch_limits.separators):
        raise ValueError("a value that breaks the grammar of the road for variables")
    return ["".join(_interleaved(row)) for row in texts.values]


@lru_cache(maxsize=4096)
def messages(text: str) -> int:
    """What a text is billed as."""
    return parts(text, SPLIT)


def _interleaved(row: list[str]) -> list[str]:
    first, *others = _TEMPLATE.literals
    return [first, *(piece for pair in zip(row, others, strict=True) for piece in pair)]


def template_of() -> Template:
    """The template of TEXT."""
    return _TEMPLATE


def values_of(number: int, run: int) -> tuple[str, str]:
    """The values that this number's text has."""
    shared = number // run
    return f"{shared}{',' * (shared % 4 == 0)}", "x" * (80 if shared % 3 == 0 else 1)
