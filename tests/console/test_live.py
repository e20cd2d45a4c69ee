"""A changing part is rendered once for all who watch it; a watcher that is slow or leaves matters to no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from dispatcher.errors import StoreError
from producers.console import live as live_module
from producers.console.live import Live, as_event


class Figures:
    """Renders a growing number."""

    def __init__(self) -> None:
        self.renders = 0
        self.fails = False

    async def render(self) -> str:
        self.renders += 1
        if self.fails:
            raise StoreError("away")
        return f"<p>{self.renders}</p>\n<p>more</p>"


def always() -> bool:
    return True


async def test_fifty_watchers_cost_one_render_a_tick():
    live, figures = Live(), Figures()
    watching = [live.watch("x", figures.render, 0.01, always) for _ in range(50)]
    seen = [await asyncio.gather(*(anext(each) for each in watching)) for _ in range(3)]
    assert all(len(set(events)) <= 2 for events in seen)
    assert figures.renders <= 3 * 50 // 10
    for each in watching:
        await each.aclose()
    assert live.channels == 0


async def test_a_slow_watcher_gets_the_newest_fragment_only():
    live, figures = Live(), Figures()
    watching = live.watch("x", figures.render, 0.0, always)
    first = await anext(watching)
    await until(lambda: figures.renders >= 10)
    later = await anext(watching)
    assert first.startswith(b"data: <p>")
    assert first.endswith(b"</p>\ndata: <p>more</p>\n\n")
    assert int(later.split(b"<p>")[1].split(b"<")[0]) >= 9
    await watching.aclose()


async def test_who_may_no_longer_see_it_gets_nothing_more():
    live, figures = Live(), Figures()
    allowed = [True]
    watching = live.watch("x", figures.render, 0.0, lambda: allowed[0])
    await anext(watching)
    allowed[0] = False
    with pytest.raises(StopAsyncIteration):
        await anext(watching)
    assert live.channels == 0


async def test_a_failure_is_no_end(monkeypatch):
    monkeypatch.setattr(live_module, "FAILED_AGAIN_S", 0.0)
    live, figures = Live(), Figures()
    figures.fails = True
    watching = live.watch("x", figures.render, 0.0, always)
    getting = asyncio.create_task(anext(watching))
    await until(lambda: figures.renders >= 2)
    figures.fails = False
    assert (await getting).startswith(b"data: <p>")
    await watching.aclose()


async def test_an_unchanged_fragment_is_not_sent_again_but_the_connection_is_kept(monkeypatch):
    monkeypatch.setattr(live_module, "PING_S", 0.02)
    live = Live()

    async def same() -> str:
        return "<p>same</p>"

    watching: AsyncGenerator[bytes, None] = live.watch("x", same, 0.0, always)
    assert await anext(watching) == as_event("<p>same</p>")
    assert await anext(watching) == live_module.PING
    await watching.aclose()


async def until(happens) -> None:
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0)
