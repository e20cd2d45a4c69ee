"""The campaigns of a life: small dirty lists of which everything is known."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.crash.stage import ACCOUNTS, LINKED, PACED, UNPACED

FIRST_NUMBER: Final = 13_800_000_000
SPREAD: Final = 40_000  # numbers overlap between campaigns: a report must find the right one


class Campaign(msgspec.Struct, kw_only=True):
    """One campaign as it was made. `numbers` are its recipients; `certain`: somebody was told that it is launched."""

    id: str
    path: Path
    text: str
    route: tuple[str, ...]
    policy: Literal["hold", "resend"]
    urgent: bool
    weight: int
    numbers: frozenset[str]
    rows: int
    invalid: int
    duplicate: int
    certain: bool = False
    cancelled: bool = False

    def arguments(self) -> list[str]:
        """What to tell `dispatcher campaign launch`."""
        told = [str(self.path), "--id", self.id, "--text", self.text, "--route", ",".join(self.route), "--yes"]
        told.append("--even-if-short")
        told += ["--unknown", self.policy, "--weight", str(self.weight), "--json"]
        return [*told, "--urgent"] if self.urgent else told


def write_list(folder: Path, rng: random.Random, name: str, *, most: int = 1_400) -> Campaign:
    """Draw a campaign and write its list: recipients, a few of them twice, and junk, shuffled."""
    count = rng.choice([1, 60, most // 4, most // 2, most, most])
    recipients = [str(FIRST_NUMBER + offset) for offset in rng.sample(range(SPREAD), count)]
    twice = rng.sample(recipients, min(count, rng.randrange(6)))
    junk = [f"n/a {number}" for number in range(rng.randrange(6))]
    rows = recipients + twice + junk
    rng.shuffle(rows)
    rows.insert(0, rows.pop(rows.index(recipients[0])))  # junk above all numbers would be the header
    path = folder / f"{name}.txt"
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return Campaign(
        id=name,
        path=path,
        text=f"【Test】{name}",
        route=rng.choice([(UNPACED,), (LINKED,), ACCOUNTS, (PACED,) if count < most else ACCOUNTS]),
        policy=rng.choice(["hold", "hold", "resend"]),
        urgent=rng.random() < 0.15,
        weight=rng.choice([1, 1, 3]),
        numbers=frozenset(recipients),
        rows=len(rows),
        invalid=len(junk),
        duplicate=len(twice),
    )
