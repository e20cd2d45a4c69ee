"""Everything about one campaign, as people read it."""

from __future__ import annotations

import io
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from dispatcher.core.schedule.holds import HOLDS, Hold, hold_sentence
from dispatcher.service.campaigns.views import ShownCampaign, show_campaign
from dispatcher.service.session import open_session
from dispatcher.terminal.campaigns import campaign_page, held_notes
from tests.service.place import configured, launched


def drawn(view: ShownCampaign) -> str:
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(campaign_page(view))
    return " ".join(out.getvalue().split())


async def test_the_finish_time_of_a_campaign_in_waves_counts_their_waits_and_says_so(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", 100, waves="10 %, rest")
        shown = await show_campaign(session, "may")
    finish = replace(shown.forecast, finish_at_ms=1_764_547_200_000, prompt_finish_at_ms=1_764_540_000_000, beside=0)
    page = drawn(replace(shown, forecast=finish))
    assert "2025-12-01 08:00:00 Asia/Shanghai if each wave waits as long as it may" in page
    assert "by 2025-12-01 06:00:00 Asia/Shanghai if reports come at once" in page
    assert "at the earliest" in drawn(replace(shown, forecast=replace(finish, prompt_finish_at_ms=None)))
    held = replace(shown, status="held", held=Hold("budget"))
    note = "may is held: its budget is spent; raise it: dispatcher campaign budget may CNY"
    assert held_notes([shown, held, replace(held, held=Hold("hours", 1_764_547_200_000))]) == [note]


def test_a_command_in_the_reason_of_a_hold_names_the_campaign() -> None:
    for why, sentence in HOLDS.items():
        said = hold_sentence(Hold(why), "may-sale")
        assert "{" not in said
        assert ("dispatcher campaign" in sentence) == (" may-sale" in said)
