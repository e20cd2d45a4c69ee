"""`dispatcher campaign …`: the group; its commands are in files of their own."""

from __future__ import annotations

import click

from producers.launch_command import launch_command


@click.group()
def campaign() -> None:
    """Launch campaigns, watch them, pause, resume or cancel them, export their results."""


campaign.add_command(launch_command)
