"""`dispatcher campaign …`: the group; its commands are in files of their own."""

from __future__ import annotations

import click

from consumers.results.campaign_commands import list_campaigns, show
from consumers.results.export_command import export_command
from consumers.results.watch_command import watch
from dispatcher.terminal.options import Group
from producers.campaigns.control_commands import cancel, pause, resume
from producers.launch.command import launch_command


class _InOrder(Group):
    """Lists its commands as they are used, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder)
def campaign() -> None:
    """Launch campaigns, watch them, pause, resume or cancel them, export their results."""


for command in (launch_command, list_campaigns, show, watch, pause, resume, cancel, export_command):
    campaign.add_command(command)
