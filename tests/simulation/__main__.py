"""`python -m tests.simulation --seeds 10000 [--first-seed K]`, `--mutants`: plays histories on both cores."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

import click
from pytest import MonkeyPatch  # noqa: PT013
from rich.console import Console
from rich.progress import track

from tests.simulation import catching
from tests.simulation.budgets import history as budgets
from tests.simulation.budgets import mutants as of_budgets
from tests.simulation.failover import history as failover
from tests.simulation.failover import mutants as of_failover
from tests.simulation.history import play
from tests.simulation.links import history as links
from tests.simulation.links import mutants as of_links
from tests.simulation.mutants.table import JOIN_MUTANTS, MUTANTS, seeds_of
from tests.simulation.streams import history as streams
from tests.simulation.streams import mutants as of_streams

BLOCK = 50


class Search(NamedTuple):
    """A mutant, in which histories to look for it, and how one is played."""

    mutant: Callable[[MonkeyPatch], None]
    seeds: Callable[[Any], list[int]]
    play: Callable[[int], object]


def _seeds(mutant: Callable[[MonkeyPatch], None]) -> list[int]:
    return catching.seeds_of(mutant, lambda seed: True)


def _with_money(mutant: Callable[[MonkeyPatch], None]) -> list[int]:
    return catching.seeds_of(mutant, streams.has_budget)


def _with_others(mutant: Callable[[MonkeyPatch], None]) -> list[int]:
    return catching.seeds_of(mutant, failover.plays_others)


SEARCHES: Final = (
    *(Search(mutant, seeds_of, partial(play, joined=mutant in JOIN_MUTANTS)) for mutant in MUTANTS),
    *(Search(mutant, of_links.seeds_of, partial(links.play, joined=False)) for mutant in of_links.MUTANTS),
    *(Search(mutant, of_budgets.seeds_of, budgets.play) for mutant in of_budgets.MUTANTS),
    *(Search(mutant, _seeds, failover.play) for mutant in of_failover.MUTANTS),
    *(Search(mutant, _seeds, partial(failover.play, joined=True)) for mutant in of_failover.OF_THE_JOIN),
    *(Search(mutant, _with_others, failover.play) for mutant in of_failover.WITH_OTHERS),
    *(Search(mutant, _seeds, streams.play) for mutant in of_streams.MUTANTS),
    *(Search(mutant, _with_money, partial(streams.play, joined=False)) for mutant in of_streams.OF_BUDGETS),
)


def played(first: int, count: int, joined_every: int) -> tuple[int, str] | None:
    """Play these seeds in every kind of history; the first one that fails, with its story.

    One in `joined_every` is joined, too.
    """
    for seed in range(first, first + count):
        joined = seed % joined_every == 0
        try:
            play(seed, joined=joined)
            links.play(seed, joined=joined)
            budgets.play(seed)
            failover.play(seed, joined=joined)
            streams.play(seed, joined=joined)
        except Exception as error:
            return seed, f"{type(error).__name__}: {error}"
    return None


def caught_at(index: int) -> int | None:
    """The first seed that catches this mutant; None if none does."""
    search = SEARCHES[index]
    with MonkeyPatch.context() as patch:
        search.mutant(patch)
        return next(
            (seed for seed in search.seeds(search.mutant) if catching.catches(partial(search.play, seed))), None
        )


@click.command()
@click.option("--seeds", default=500, show_default=True, help="How many histories to play.")
@click.option("--first-seed", default=0, show_default=True, help="The first seed: a failing seed replays exactly.")
@click.option("--joined-every", default=10, show_default=True, help="How many seeds share one that is joined, too.")
@click.option("--mutants", is_flag=True, help="Prove that the simulation can fail: every mutant must be caught.")
def main(seeds: int, first_seed: int, joined_every: int, mutants: bool) -> None:
    """Play seeded histories of crashes, freezes, races and a misbehaving vendor; exit 1 when a guarantee breaks."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        if mutants:
            sys.exit(_mutants(console, pool))
        start_s = time.monotonic()
        blocks = [
            (first, min(BLOCK, first_seed + seeds - first), joined_every)
            for first in range(first_seed, first_seed + seeds, BLOCK)
        ]
        results = pool.map(played, *zip(*blocks, strict=True))
        for failed in track(results, "Playing seeds", total=len(blocks), console=console):
            if failed is not None:
                click.echo(f"seed {failed[0]} failed:\n{failed[1]}\nReplay: python -m tests.simulation --seeds 1 "
                           f"--first-seed {failed[0]} --joined-every 1")  # fmt: skip
                pool.shutdown(wait=False, cancel_futures=True)
                sys.exit(1)
        took_s = time.monotonic() - start_s
    click.echo(f"{seeds} seeds passed, {seeds / took_s:.0f} seeds/s")


def _mutants(console: Console, pool: ProcessPoolExecutor) -> int:
    escaped = 0
    total = len(SEARCHES)
    results = track(pool.map(caught_at, range(total)), "Mutants", total=total, console=console)
    for search, seed in zip(SEARCHES, results, strict=True):
        escaped += seed is None
        click.echo(f"{search.mutant.__name__}: {'ESCAPED' if seed is None else f'caught by seed {seed}'}")
    click.echo(f"{total - escaped} of {total} mutants caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    main()
