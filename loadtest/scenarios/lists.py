"""The lists of a scenario's campaigns: numbers that no other campaign has, dirty ones, and columns for their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from loadtest.scenarios.format import CampaignPart, Scenario
from loadtest.scenarios.made_lists import number_block, write_dirty

DIRTY_ROWS_MIN: Final = 50
BLOCK: Final = 500_000
PHONE: Final = "手机号"
SEED_STEP: Final = 40_000
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

Lists = dict[str, tuple[Path, Path | None]]
"""By campaign: its list, and, of a dirty one, whom it must not reach."""


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


def _write(scenario: Scenario, campaign: CampaignPart, folder: Path, first: int) -> tuple[Path, Path | None]:
    if campaign.file is not None:
        return (Path(scenario.path).parent / campaign.file).absolute(), None
    rows = campaign.recipients or 0
    if campaign.dirty:
        inside = folder / f"list-{campaign.id}"
        inside.mkdir()
        made = write_dirty(inside, max(rows, DIRTY_ROWS_MIN), scenario.seed, first)
        return made.path, made.suppress
    path = folder / f"{campaign.id}.csv"
    with path.open("wb") as file:
        for at, block in enumerate(_blocks(campaign, first, rows)):
            block.write_csv(file, include_header=at == 0)
    return path, None


def _blocks(campaign: CampaignPart, first: int, rows: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        index = pl.int_range(start, start + count, eager=True)
        columns = {PHONE: pl.Series(number_block(first + start, count))}
        for name, different in campaign.variables.items():
            columns[name] = pl.select(
                pl.format("{}{}", pl.lit(name), index % different if different else index)
            ).to_series()
        yield pl.DataFrame(columns)


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
