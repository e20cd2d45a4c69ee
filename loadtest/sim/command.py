"""`dispatcher simulate`: simulated vendors on their own, for trying things out and for load tests.

Also what `loadtest.sim.process` runs as a child (`--config -`: one line of JSON on standard input; it ends when that is
closed).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from dispatcher.errors import DispatcherError
from loadtest.sim import config as configuration
from loadtest.sim.config import SimConfig

if TYPE_CHECKING:
    from loadtest.sim.cmpp.network.network import CmppNetwork
    from loadtest.sim.cmpp.server import CmppSimulator
    from loadtest.sim.server import Simulator

    Simulated = Simulator | CmppSimulator | CmppNetwork

FROM_STDIN = "-"
AS_IN_DISPATCHER_TOML = {"batch-a": "batch"}
GC_THRESHOLDS = (5_000, 20, 100)


@click.command(epilog="Example:  dispatcher simulate --config sim.toml --listen 127.0.0.1:9101")
@click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="TOML with [sim] and [sim.account.NAME]; two sample accounts without it.",
)
@click.option(
    "--vendor",
    type=click.Choice([*configuration.VENDORS, *configuration.LINKED, *AS_IN_DISPATCHER_TOML]),
    help="Which vendor; batch if the file says nothing.",
)
@click.option("--cmpp-network", is_flag=True, help="Two CMPP gateways and the name server between them.")
@click.option(
    "--listen", metavar="HOST:PORT", help=f"Where to listen; {configuration.DEFAULT_LISTEN} if the file says nothing."
)
@click.option(
    "--loop", type=click.Choice(["asyncio", "uvloop"]), default="uvloop", show_default=True, help="Event loop."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when ready.")
def simulate(
    config_path: str | None, vendor: str | None, cmpp_network: bool, listen: str | None, loop: str, as_json: bool
) -> None:
    """Run a simulated vendor: it enforces its limits, charges, pushes reports and keeps a ledger.

    Several at once where the file has a table [sim.NAME] with a vendor for each.

    Everything can be looked at and changed while it runs, at /_sim/config and /_sim/ledger. Ctrl-C ends it.
    """
    try:
        vendor = AS_IN_DISPATCHER_TOML.get(vendor or "", vendor)
        configs = _configs(config_path, listen, "cmpp" if cmpp_network else vendor, cmpp_network)
        runner = asyncio.Runner(loop_factory=_loop_factory(loop))
        with runner:
            runner.run(_serve(configs, as_json, config_path == FROM_STDIN))
    except DispatcherError as error:
        if as_json:
            click.echo(msgspec.json.encode({"error": str(error), "kind": type(error).__name__}))
        else:
            click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _configs(path: str | None, listen: str | None, vendor: str | None, network: bool = False) -> dict[str, SimConfig]:
    if path == FROM_STDIN:
        source: Any = msgspec.json.decode(sys.stdin.buffer.readline())
    else:
        source = None if path is None else Path(path)
    return configuration.read_all(source, listen, vendor, network)


def _loop_factory(loop: str) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return None


async def _serve(configs: dict[str, SimConfig], as_json: bool, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        sims = {name: simulated_vendor(config) for name, config in configs.items()}
        for sim in sims.values():
            await stack.enter_async_context(cast(AbstractAsyncContextManager[Any], sim))
        # The imported modules never die; without them a full collection is short, and a pause here looks like a burst
        # to the judge.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if until_stdin_closes:
            loop.add_reader(sys.stdin.fileno(), _stop_at_end, stop)
        servers = {part: server for name, sim in sims.items() for part, server in _servers(name, sim).items()}
        urls = {name: server.url for name, server in servers.items()}
        addresses = {name: server.wire_address for name, server in servers.items()}
        ready = {"ready": True, "url": next(iter(urls.values())), "urls": urls, "addresses": addresses}
        click.echo(msgspec.json.encode(ready) if as_json else greeting(list(sims.values())))
        sys.stdout.flush()
        await stop.wait()
    if not as_json:
        click.echo("Stopped.")


def _servers(name: str, sim: Simulated) -> dict[str, Simulator | CmppSimulator]:
    """What has a control endpoint of its own: in a network every gateway, by its code."""
    from loadtest.sim.cmpp.network.network import CmppNetwork

    return {**sim.gateways} if isinstance(sim, CmppNetwork) else {name: sim}


def simulated_vendor(config: SimConfig) -> Simulated:
    """The server of a vendor; imported here: `dispatcher --help` needs none."""
    if config.network:
        from loadtest.sim.cmpp.network.network import CmppNetwork

        return CmppNetwork(config)
    if config.vendor in configuration.LINKED:
        from loadtest.sim.cmpp.server import CmppSimulator

        return CmppSimulator(config)
    from loadtest.sim.server import Simulator

    return Simulator(config)


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def greeting(sims: list[Simulated]) -> str:
    """What to read when they listen: the accounts, and requests to try."""
    return "\n\n".join([*("\n".join(_introduced(sim)) for sim in sims), "Ctrl-C ends it."])


def _introduced(sim: Simulated) -> list[str]:
    from loadtest.sim.cmpp.network.network import CmppNetwork
    from loadtest.sim.cmpp.server import CmppSimulator

    if isinstance(sim, CmppSimulator | CmppNetwork):
        return sim.introduction()
    from loadtest.sim.state import Fetchable  # here as the server is

    switches = sim.state.switches
    edition = f", edition {switches.edition}" if "edition" in switches.table else ""
    lines = [f"A simulated vendor ({sim.vendor.name}{edition}) listens on {sim.url}", ""]
    for book in sim.state.ledger.books.values():
        account, flow = book.config, book.config.flow
        limit = f"{flow.limit} {flow.unit} in any {flow.per_s:g} s" if flow.limit else "no flow limit"
        pushed, kept = account.report_roads()
        roads = [f"reports to {account.report_url}"] if pushed else []
        if kept and isinstance(sim.vendor.pushes, Fetchable):
            roads.append("reports kept until they are asked for")
        reports = ", ".join(roads) or "no reports (no report_url)"
        lines.append(f"  account {account.account}: {limit}, credit {sum(book.balance.values()):,}, {reports}")
    account = next(iter(sim.state.ledger.books.values())).config
    return [
        *lines,
        "",
        "Try it:",
        *(f"  {line}" for line in sim.vendor.example(sim.url, account)),
        f"  curl '{sim.url}/_sim/ledger'          what it was sent, charged and reported",
        f"  curl '{sim.url}/_sim/config'          every switch, with what it may be",
        f"  curl '{sim.url}/_sim/config' -d '{{\"max_chars\": 585}}'",
    ]


if __name__ == "__main__":
    simulate()
