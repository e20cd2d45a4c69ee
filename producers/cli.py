"""`dispatcher campaign …`: the group; its commands are in files of their own."""

from __future__ import annotations

import click

from producers.campaign_control_commands import cancel, pause, resume
from producers.campaign_read_commands import list_campaigns, show
from producers.campaign_watch import watch
from producers.launch_command import launch_command


@click.group()
def campaign() -> None:
    """Launch campaigns, watch them, pause, resume or cancel them, export their results."""


for command in (launch_command, list_campaigns, show, watch, pause, resume, cancel):
    campaign.add_command(command)
