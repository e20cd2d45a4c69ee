"""`dispatcher init`: a first configuration, by asking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.argument("file", metavar="[FILE]", default="dispatcher.toml", type=click.Path(path_type=Path))
@click.option(
    "--account", "accounts", multiple=True, metavar="NAME=VENDOR", help="Do not ask: an account; repeat it for more."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="A key of an account: of a secret its environment variable, or file:PATH; `limit`: messages per second.",
)
def init(file: Path, accounts: Sequence[str], settings: Sequence[str]) -> None:
    """Write a first configuration with comments, by asking; FILE is dispatcher.toml unless you name another.

    It asks for each account what its vendor gave you. No secret is asked for or written: only where it is, in the
    environment or in a file. An existing file is never overwritten. With --account it does not ask.

    \b
    Examples:
      dispatcher init
      dispatcher init --account spring=batch-a --set spring.url=http://127.0.0.1:9101 --set spring.account=demo \\
          --set spring.pswd=file:spring.pw --set spring.limit=500
    """
    from dispatcher.process.first_configuration import write  # here: it knows the vendors, and help does not

    for line in write(file, accounts, settings):
        click.echo(line)
