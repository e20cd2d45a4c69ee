"""The lists of a scenario's campaigns: numbers that no other campaign has, dirty ones, and columns for their texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadtest.scenarios.format import CampaignPart, Scenario

DIRTY_ROWS_MIN: Final = 50
BLOCK: Final = 500_000
PHONE: Final = "手机号"
SEED_STEP: Final = 40_000
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

DUPLICATE: Final = 0.04
INVALID: Final = 0.02
SUPPRESSED: Final = 0.0025
PLAIN: Final = 0.85
BLOCK_ROWS: Final = 50_000

FIRST: Final = 13_800_000_000
_SPREAD: Final = 100_000_000
_STRIDE: Final = 7_654_321  # odd and no multiple of 5: a walk through all of _SPREAD, each number once
_FULL_WIDTH: Final = str.maketrans("0123456789", "０１２３４５６７８９")

FORMS: Final[tuple[Callable[[str], str], ...]] = (
    lambda n: f"+86{n}",
    lambda n: f"0086{n}",
    lambda n: f"86{n}",
    lambda n: f"+86 {n[:3]} {n[3:7]} {n[7:]}",
    lambda n: f"{n[:3]} {n[3:7]} {n[7:]}",
    lambda n: f"{n[:3]}-{n[3:7]}-{n[7:]}",
    lambda n: f'"{n}"',
    lambda n: n.translate(_FULL_WIDTH),
    lambda n: f"  {n} ",
    lambda n: f"{n}.0",
)
"""How people write a good number."""

JUNK: Final = (
    "",
    "n/a",
    "1.38E+10",
    "1380013800",
    "138001380001",
    "010-1234 5678",
    "see remarks",
    "+44 7700 900123",
    "'—",
)
"""What stands where a number should be."""

_CITIES: Final = ("北京", "上海", "广州", "成都", "西安")


class MadeList(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's list, whom it must not reach, and what is in it if we made it:
    `rows = recipients + invalid + duplicate + suppressed`.
    """

    path: Path
    suppress: Path | None = None
    rows: int = 0
    recipients: int = 0
    invalid: int = 0
    duplicate: int = 0
    suppressed: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What the launch must count in it; empty if we did not make it."""
        terms = ("rows", "recipients", "invalid", "duplicate", "suppressed")
        return {term: int(getattr(self, term)) for term in terms} if self.rows else {}


Lists = dict[str, MadeList]
"""By campaign."""


def text_of(campaign: CampaignPart) -> str:
    """The text of a campaign."""
    return campaign.text or f"【Loadtest】{campaign.id}"


def write_lists(scenario: Scenario, folder: Path) -> Lists:
    """All of them."""
    lists: Lists = {}
    first = scenario.seed % 1000 * SEED_STEP
    for campaign in scenario.campaigns:
        lists[campaign.id] = _write(scenario, campaign, folder, first)
        first += campaign.recipients or 0
    return lists


def _write(scenario: Scenario, campaign: CampaignPart, folder: Path, first: int) -> MadeList:
    if campaign.file is not None:
        return MadeList(path=(Path(scenario.path).parent / campaign.file).absolute())
    rows = campaign.recipients or 0
    if campaign.dirty:
        inside = folder / f"list-{campaign.id}"
        inside.mkdir()
        return write_dirty(inside, max(rows, DIRTY_ROWS_MIN), scenario.seed, first, campaign.numbers_from)
    path = folder / f"{campaign.id}.csv"
    with path.open("wb") as file:
        for at, block in enumerate(_blocks(campaign, first, rows)):
            block.write_csv(file, include_header=at == 0)
    return MadeList(path=path, rows=rows, recipients=rows)


def _blocks(campaign: CampaignPart, first: int, rows: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        index = pl.int_range(start, start + count, eager=True)
        columns = {PHONE: pl.Series(number_block(first + start, count, campaign.numbers_from))}
        for name, different in campaign.variables.items():
            columns[name] = pl.select(
                pl.format("{}{}", pl.lit(name), index % different if different else index)
            ).to_series()
        yield pl.DataFrame(columns)


def write_dirty(folder: Path, rows: int, seed: int = 1, first: int = 0, least: int = FIRST) -> MadeList:
    """Write `list.csv` and `opted-out.txt` into the folder, with the numbers of `number_block` from `first` on.

    As dirty as the lists that marketing gets, but it is known exactly what is in it: a CSV file with Chinese headers
    and a byte-order mark; plain numbers, prefixes, blanks, hyphens, quotes, full-width digits, numbers twice (in
    another form), numbers a spreadsheet has damaged, and things that are no numbers at all. Beside it a list of those
    who must not be texted. The same for the same number of rows.
    """
    random = np.random.default_rng(seed)
    invalid, duplicate = int(rows * INVALID), int(rows * DUPLICATE)
    unique = rows - invalid - duplicate
    suppressed = max(1, int(unique * SUPPRESSED))
    numbers = number_block(first, unique, least)
    # Which number each row holds (-1: none): every number once, then some again, shuffled.
    again = random.integers(0, unique, duplicate)
    of = np.concatenate([np.arange(unique), again, np.full(invalid, -1)])
    random.shuffle(of)
    form = np.where(random.random(rows) < PLAIN, 0, random.integers(1, len(FORMS) + 1, rows))
    path = folder / "list.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write("姓名,手机号,城市\r\n")
        for start in range(0, rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, rows)
            file.write(_dirty_block(start, of[start:end], form[start:end], numbers))
    stopped = numbers[random.permutation(unique)[:suppressed]]
    suppress = folder / "opted-out.txt"
    suppress.write_text("".join(f"{number}\n" for number in stopped.tolist()), "ascii")
    return MadeList(
        path=path,
        suppress=suppress,
        rows=rows,
        recipients=unique - suppressed,
        invalid=invalid,
        duplicate=duplicate,
        suppressed=suppressed,
    )


def number_block(first: int, count: int, least: int = FIRST) -> NDArray[np.int64]:
    """The `first`-th to the last of `count` mobile numbers that differ; those of another block differ from them."""
    return least + np.arange(first, first + count, dtype=np.int64) * _STRIDE % _SPREAD


def _dirty_block(first: int, of: NDArray[np.int64], form: NDArray[np.int64], numbers: NDArray[np.int64]) -> str:
    lines = []
    for row, which, how in zip(range(first + 1, first + 1 + len(of)), of.tolist(), form.tolist(), strict=True):
        if which < 0:
            value = JUNK[row % len(JUNK)]
        else:
            value = str(numbers[which])
            if how:
                value = FORMS[how - 1](value)
        if '"' in value:
            value = '"' + value.replace('"', '""') + '"'
        lines.append(f"客户{row},{value},{_CITIES[row % len(_CITIES)]}\r\n")
    return "".join(lines)


def rendered(campaign: CampaignPart, path: Path) -> pl.DataFrame:
    """What each recipient of a personalised campaign must get: number and text."""
    rows = pl.read_csv(path, schema_overrides={PHONE: pl.String})
    names = _PLACEHOLDER.findall(text_of(campaign))
    text = pl.format(_PLACEHOLDER.sub("{}", text_of(campaign)), *names)
    return rows.select(pl.col(PHONE).alias("number"), text.alias("text"))


def told_apart(ledger: pl.DataFrame, campaign: CampaignPart, path: Path) -> pl.DataFrame:
    """A ledger whose rows with the text that this campaign's recipient must get have the campaign's own text instead;
    who got anything else keeps it, and is found by the comparison.
    """
    whole = rendered(campaign, path).with_columns(whole=pl.lit(text_of(campaign)))
    joined = ledger.join(whole, on=["number", "text"], how="left", maintain_order="left")
    return joined.with_columns(text=pl.coalesce("whole", "text")).drop("whole")
