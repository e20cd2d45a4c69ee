"""HttpVarSM: a text with places for values, and groups `mobile,value,value;…` (vendors.md 4.4, AMB-BATCH-16)."""

from __future__ import annotations

import re
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np

from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.numbers import ParsedNumbers

PLACES = {
    "both": re.compile(r"\{\$?var\}"),
    "{$var}": re.compile(r"\{\$var\}"),
    "{var}": re.compile(r"\{var\}"),
}


class Groups(NamedTuple):
    """Each number, in order, with its text. `misfit`: a group has not as many values as the text has places."""

    parsed: ParsedNumbers
    texts: list[str]
    misfit: bool


def groups(template: str, params: str, place: str) -> Groups:
    """Every group of `params`; an empty one is a group without a number. Missing values leave their places empty."""
    pieces = PLACES[place].split(template)
    mobiles: list[str] = []
    texts: list[str] = []
    misfit = False
    for group in params.split(";") if params else ():
        mobile, *values = group.split(",")
        misfit = misfit or len(values) != len(pieces) - 1
        mobiles.append(mobile)
        texts.append("".join(chain.from_iterable(zip_longest(pieces, values[: len(pieces) - 1], fillvalue=""))))
    if mobiles == [""]:
        return Groups(ParsedNumbers(np.array([-1], np.int64), [b""]), texts, misfit)
    return Groups(numbers.parse(",".join(mobiles).encode()), texts, misfit)
