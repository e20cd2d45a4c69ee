"""`python -m tests.simulation --seeds 10000 [--first-seed K]`, `--mutants`: plays histories on both cores."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click
from pytest import MonkeyPatch  # noqa: PT013
from rich.console import Console
from rich.progress import track

from tests.simulation.budgets import history as budgets
from tests.simulation.budgets import mutants as of_budgets
from tests.simulation.catching import catches
from tests.simulation.history import play
from tests.simulation.links import history as links
from tests.simulation.links import mutants as of_links
from tests.simulation.mutants import JOIN_MUTANTS, MUTANTS, seeds_of

BLOCK = 50
ALL_MUTANTS = (*MUTANTS, *of_links.MUTANTS, *of_budgets.MUTANTS)


def played(first: int, count: int, joined_every: int) -> tuple[int, str] | None:
    """Play these seeds over HTTP, over links and with budgets; the first one that fails, with its story. One in
    `joined_every` is joined, too.
    """
    for seed in range(first, first + count):
        try:
            play(seed, joined=seed % joined_every == 0)
            links.play(seed, joined=seed % joined_every == 0)
            budgets.play(seed)
        except Exception as error:
            return seed, f"{type(error).__name__}: {error}"
    return None


def caught_at(index: int) -> int | None:
    """The first seed that catches this mutant; None if none does."""
    mutant = ALL_MUTANTS[index]
    of_link, of_budget = mutant in of_links.MUTANTS, mutant in of_budgets.MUTANTS
    with MonkeyPatch.context() as patch:
        mutant(patch)
        for seed in (of_links.seeds_of if of_link else of_budgets.seeds_of if of_budget else seeds_of)(mutant):
            if of_budget:
                caught = catches(partial(budgets.play, seed))
            else:
                caught = catches(partial(links.play if of_link else play, seed, joined=mutant in JOIN_MUTANTS))
            if caught:
                return seed
    return None


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
    total = len(ALL_MUTANTS)
    results = track(pool.map(caught_at, range(total)), "Mutants", total=total, console=console)
    for mutant, seed in zip(ALL_MUTANTS, results, strict=True):
        escaped += seed is None
        click.echo(f"{mutant.__name__}: {'ESCAPED' if seed is None else f'caught by seed {seed}'}")
    click.echo(f"{total - escaped} of {total} mutants caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    main()
