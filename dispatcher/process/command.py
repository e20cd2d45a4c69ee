"""`dispatcher run`: the dispatcher at work, all roles in one process or one role each.

SIGTERM or Ctrl-C stops it in order: no more pushes are taken, requests under way are finished within `lanes.drain_s`,
nothing is left unknown. A second signal stops it at once; requests under way are then unknown until reports prove them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

import click

from dispatcher.errors import ConfigError, PortInUse
from dispatcher.i18n import ENGLISH, _, language_is
from dispatcher.terminal.options import config_option, json_option, print_json_line
from dispatcher.words import UNITS
from schemas.topics import lane_partition

if TYPE_CHECKING:
    from dispatcher.config.file import Config
    from dispatcher.process.roles import Running
    from dispatcher.vendors.seam.vendor import Vendor

ROLE_GROUP: Final = "dispatcher.roles"
STOP_ORDER: Final = ("web", "campaigns", "lanes", "results")  # also the order on screen

AT_ONCE: Final = 130

COLLECTED_AT: Final = 20_000
"""New objects that are still there when the garbage collector looks at them; by default 700."""


def role_names() -> tuple[str, ...]:
    """The roles of the installed packages: ours in their order, then others."""
    installed = {found.name for found in entry_points(group=ROLE_GROUP)}
    return (*(name for name in STOP_ORDER if name in installed), *sorted(installed.difference(STOP_ORDER)))


@click.command()
@click.option(
    "--role",
    type=click.Choice(["all", *role_names()]),
    default="all",
    show_default=True,
    help="What this process does.",
)
@config_option
@json_option
def run(role: str, config: str | None, as_json: bool) -> None:
    """Run the dispatcher: take reports (web), send (lanes), join reports with what was sent (results), and do for
    campaigns what is due by time or by their results (campaigns).

    All of it in one process by default. More processes on the same log share the lanes; with Kafka they may be on other
    machines. Ctrl-C or SIGTERM stops it in order, a second one at once.

    \b
    Examples:
      dispatcher run
      dispatcher run --role lanes --config /etc/dispatcher.toml
    """
    from dispatcher.config.file import load
    from dispatcher.process import logs

    roles = role_names() if role == "all" else (role,)
    loaded = load(config, secrets="none" if roles == ("results",) else "all")
    if not loaded.accounts and roles != ("results",):
        raise ConfigError(
            "{path} has no account. Fill in [account.NAME], as in dispatcher.example.toml.", path=loaded.path
        )
    logs.configure(secrets=logs.secrets_of(loaded))
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_run(loaded, roles, as_json=as_json))


def new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop if it is installed (Linux, macOS): webhooks take twice as many pushes with it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def collect_rarely() -> None:
    """For a process that has started: Python's collector leaves alone what is there, and comes less often.

    Thousands of pushes or requests under way are no garbage: looking through them took 8 % of the time of a web server.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT)


async def _run(config: Config, roles: tuple[str, ...], *, as_json: bool) -> None:
    from dispatcher.accounts.holders import lane_holders
    from dispatcher.process.roles import running

    stop = asyncio.Event()
    _stop_on_signals(stop)
    others = sorted({holder.pid for holder in (lane_holders(config) or {}).values()} - {os.getpid()})
    async with AsyncExitStack() as stack:
        try:
            with language_is(ENGLISH):  # of its tasks: what they write is for the log and for programs
                at_work = await stack.enter_async_context(running(config, roles))
        except PortInUse as error:
            if not others:
                raise
            raise PortInUse(
                "{error} A dispatcher already runs here ({others}); to share its lanes: dispatcher run --role lanes",
                error=error,
                others=_and(others),
            ) from error
        collect_rarely()
        _greet(config, roles, at_work, others, as_json=as_json)
        stopping = asyncio.create_task(stop.wait())
        failing = asyncio.create_task(at_work.until_failed())
        try:
            await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                failing.result()
        finally:
            stopping.cancel()
            failing.cancel()
    if not as_json:
        click.echo(_("stopped in order."))


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            click.echo(_("stopped at once: what was under way is unknown until reports tell."), err=True)
            os._exit(AT_ONCE)
        stop.set()
        click.echo(_("stopping in order; once more to stop at once."), err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)


def _greet(config: Config, roles: tuple[str, ...], at_work: Running, others: list[int], *, as_json: bool) -> None:
    web = at_work.url
    if as_json:
        ready = {"ready": True, "pid": os.getpid(), "roles": roles, "log": at_work.log.url, "web": web}
        print_json_line(ready | {"accounts": sorted(config.accounts), "lanes_held_by": others})
        return
    click.echo(_("dispatcher runs on {url}, configured by {path}", url=at_work.log.url, path=config.path))
    if web is not None:
        click.echo(_("  web      vendors push to {web}/push/ACCOUNT/report and …/inbound", web=web))
    for line in (line for work in at_work.works.values() for line in work.greetings):
        click.echo(line)
    if "lanes" in roles:
        click.echo(
            _(
                "  lanes    {names}",
                names="; ".join((_account(name, vendor) for name, vendor in sorted(config.accounts.items()))),
            )
        )
    if "results" in roles:
        click.echo(_("  results  in {url}", url=config.store.url))
    if "campaigns" in roles:
        click.echo(_("  campaigns  drafts that are scheduled start at their time"))
    if "lanes" in roles and others:
        click.echo(
            _(
                "  lanes are held by {others} too: they are shared out, and taken over when that one ends",
                others=_and(others),
            )
        )
    click.echo(_("Ctrl-C stops it in order."))


def _and(pids: list[int]) -> str:
    return _(" and ").join(_("process {pid}", pid=pid) for pid in pids)


def _account(name: str, vendor: Vendor) -> str:
    flow = vendor.flow
    limit = (
        _("no flow limit")
        if flow is None
        else _("{limit:,} {unit} per {per_s:g} s", limit=flow.limit, unit=_(UNITS[flow.unit]), per_s=flow.per_s)
    )
    return _(
        "{name} ({tag}, {limit}, lane {lane})",
        name=name,
        tag=vendor.tag,
        limit=limit,
        lane=lane_partition(name),
    )
