"""`dispatcher campaign …`: the group; its commands are in files of their own."""

from __future__ import annotations

import click

from dispatcher.options import Group
from producers.campaign_control_commands import cancel, pause, resume
from producers.campaign_export import export_command
from producers.campaign_read_commands import list_campaigns, show
from producers.campaign_watch import watch
from producers.launch_command import launch_command


class _InOrder(Group):
    """Lists its commands as they are used, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder)
def campaign() -> None:
    """Launch campaigns, watch them, pause, resume or cancel them, export their results."""


for command in (launch_command, list_campaigns, show, watch, pause, resume, cancel, export_command):
    campaign.add_command(command)
