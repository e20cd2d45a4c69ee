"""How far a campaign is, how fast it goes, and how that is drawn."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from dispatcher.config.file import parse
from dispatcher.core.results.equation import STATUSES, TERMS, Counts, Status, status
from dispatcher.core.schedule.holds import Hold
from dispatcher.service.campaigns.progress import Pace, Speed, over, pace, percent_final, progress_of
from dispatcher.store.port import CampaignView
from dispatcher.terminal.live import Bar, cells_of, equation, picture
from dispatcher.terminal.progress import SHARES, held_words, plain_line
from dispatcher.wording import countdown

NO_PACE = Pace(sent_per_s=0, final_per_s=0, allowed_per_s=0, unpaced=False, left_s=None)
ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "secret"}


def view(counts: Counts, accounts: dict[str, Counts] | None = None, *, paused=False, segments=1) -> CampaignView:
    return CampaignView(
        id="may-sale",
        name="May sale",
        status=status(counts, paused=paused, cancelled=counts.cancelled > 0),
        launched_ms=0,
        launched_by="somebody",
        text="hello",
        segments=segments,
        legs=(),
        weight=1,
        urgent=False,
        unknown="hold",
        options={},
        paused=paused,
        cancelled=counts.cancelled > 0,
        counts=counts,
        accounts=accounts or {"spring": counts},
        invalid_reasons={},
        failures=(),
        first_sent_ms=None,
        last_sent_ms=None,
        last_report_ms=None,
        unknown_since_ms=None,
    )


@st.composite
def counted(draw):
    terms = {name: draw(st.integers(0, 10**7) | st.just(0)) for name in TERMS}
    return Counts(rows=sum(terms.values()), **terms)


def drawn(views, paces=None, width=100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(picture(views, paces or {each.id: NO_PACE for each in views}))
    return out.getvalue()


def test_every_state_of_a_recipient_has_its_share_of_the_bar():
    in_the_bar = [share.term for share in SHARES]
    assert sorted(in_the_bar) == sorted(set(TERMS) - {"invalid", "duplicate", "suppressed"})


def test_every_status_has_its_meaning_on_screens_and_in_the_documents():
    assert set(STATUSES) == set(get_args(Status))
    page = (Path(__file__).parents[2] / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page.partition("| status | meaning |")[2], re.MULTILINE))
    assert {status: rows.get(status) for status in STATUSES} == STATUSES


@given(counted(), st.integers(8, 300))
def test_the_bar_is_exactly_as_wide_as_asked_and_nobody_who_is_there_is_invisible(counts, width):
    cells = cells_of(counts, width)
    sizes = [share.size(counts) for share in SHARES]
    assert sum(cells) == (width if counts.recipients else 0)
    assert all((size > 0) == (cell > 0) for size, cell in zip(sizes, cells, strict=True))


@given(counted())
def test_a_hundred_percent_is_only_said_when_everybody_has_a_final_word(counts):
    assert (percent_final(counts) == 100) == (counts.open == 0)


@given(counted())
def test_the_picture_says_the_whole_equation(counts):
    text = " ".join(drawn([view(counts)], width=400).split())
    assert counts.line() in text
    assert "✓" in text


def test_an_equation_that_does_not_hold_is_marked():
    assert "✗" in equation(Counts(rows=3, delivered=2)).plain
    assert "≠" in equation(Counts(rows=3, delivered=2)).plain


def test_the_picture_never_says_finished_while_somebody_is_unknown():
    assert "not finished" in drawn([view(Counts(rows=10, delivered=9, unknown=1))])
    assert "not finished" not in drawn([view(Counts(rows=10, delivered=10))])


def test_the_picture_is_readable_without_colours():
    bar = drawn([view(Counts(rows=4, delivered=1, failed=1, queued=1, unknown=1))], width=40).splitlines()[1]
    assert {*bar} == {"█", "▓", "░", "?"}


def test_the_speed_is_that_of_the_last_seconds():
    speed = Speed()
    for second in range(10):
        speed.saw(Counts(rows=10_000, queued=10_000 - 1000 * second, accepted=1000 * second), float(second))
    assert speed.sent_per_s == pytest.approx(1000)
    for second in range(10, 20):
        speed.saw(Counts(rows=10_000, queued=1000, accepted=9000), float(second))
    assert speed.sent_per_s == 0


def test_nothing_is_said_of_the_speed_before_two_looks():
    speed = Speed()
    assert speed.sent_per_s == 0
    speed.saw(Counts(rows=1, delivered=1), 1.0)
    assert speed.sent_per_s == 0


PACES = [
    ("one paced account", {"spring": {"flow": {"limit": 500}}}, {"spring": 1000}, (500, False, 2.0)),
    ("two paced ones: the slower decides", {"a": {"flow": {"limit": 500}}, "b": {"flow": {"limit": 100}}},
     {"a": 1000, "b": 1000}, (600, False, 10.0)),
    ("an unpaced one goes at its measured speed", {"a": {}}, {"a": 1000}, (0, True, 10.0)),
    ("paced and unpaced", {"a": {"flow": {"limit": 50}}, "b": {}}, {"a": 1000, "b": 1000}, (50, True, 20.0)),
    ("parts: a text of two counts double", {"a": {"flow": {"limit": 500, "unit": "parts"}}}, {"a": 1000},
     (250, False, 4.0)),
    ("a flow per two seconds", {"a": {"flow": {"limit": 500, "per_s": 2.0}}}, {"a": 1000}, (250, False, 4.0)),
    ("an account that is not configured here any more", {}, {"a": 1000}, (0, True, 10.0)),
]  # fmt: skip


@pytest.mark.parametrize(("accounts", "queued", "expected"), [row[1:] for row in PACES], ids=[row[0] for row in PACES])
def test_what_is_allowed_and_how_long_it_takes_follow_from_the_flow_limits(accounts, queued, expected):
    config = parse({"account": {name: ACCOUNT | keys for name, keys in accounts.items()}}, "x.toml")
    counts = {name: Counts(rows=number, queued=number) for name, number in queued.items()}
    speed = Speed()
    speed.saw(Counts(rows=10_000, queued=10_000), 0.0)
    speed.saw(Counts(rows=10_000, queued=9_900, accepted=100), 1.0)
    total = Counts(rows=sum(queued.values()), queued=sum(queued.values()))
    now = pace(view(total, counts, segments=2), speed, config.accounts)
    assert (now.allowed_per_s, now.unpaced, now.left_s) == expected


def test_a_campaign_that_stands_still_has_no_time_left_to_say():
    still = Speed()
    counts = Counts(rows=10, queued=10)
    assert pace(view(counts), still, {}).left_s is None
    assert pace(view(counts, paused=True), still, {}).left_s is None


def test_lines_and_objects_say_the_same():
    counts = Counts(rows=12, invalid=2, delivered=6, failed=1, accepted=2, unknown=1)
    now = msgspec.structs.replace(NO_PACE, sent_per_s=10.04, final_per_s=2.5)
    line, shown = plain_line(view(counts), now), msgspec.to_builtins(progress_of(view(counts), now))
    shares = "delivered 6, failed 1, unknown 1, accepted 2, queued 0"
    assert line == f"may-sale: waiting (everything was sent; reports are still due) · 70 % final · {shares} · 2 final/s"
    assert shown["counts"] == counts.as_dict()
    assert (shown["status"], shown["adds_up"], shown["sent_per_s"]) == ("waiting", True, 10.0)


OVER = [
    (Counts(rows=3, delivered=2, failed=1), True),
    (Counts(rows=3, delivered=2, unknown=1), True),
    (Counts(rows=3, cancelled=3), True),
    (Counts(rows=3, cancelled=2, accepted=1), False),
    (Counts(rows=3, accepted=3), False),
    (Counts(rows=3, queued=3), False),
]


@pytest.mark.parametrize(("counts", "is_over"), OVER)
def test_watching_ends_when_nothing_will_change_by_itself(counts, is_over):
    assert over([view(counts)]) is is_over


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (10921, "3:02:01")])
def test_durations_read_like_a_clock(seconds, said):
    assert countdown(seconds) == said


def test_a_terminal_that_shall_show_no_colours_tells_the_states_apart_by_their_glyphs():
    out = io.StringIO()
    screen = Console(file=out, width=80, force_terminal=True, no_color=True, color_system="truecolor")
    screen.print(Bar(Counts(rows=20, delivered=10, failed=10)))
    assert {"█", "▓"} <= set(out.getvalue())


def test_a_held_campaign_says_until_when_and_why():
    counts = Counts(rows=2, queued=2)
    until = replace(view(counts), status="held", held=Hold("hours", 1_764_547_200_000))  # 2025-12-01 08:00
    assert plain_line(until, NO_PACE).startswith(
        "may-sale: held until 2025-12-01 08:00 Asia/Shanghai (outside its sending hours) · 0 % final"
    )
    ended = replace(until, held=Hold("closing"))
    assert "what is left waits until you resume it: dispatcher campaign resume may-sale)" in drawn([ended], width=160)
    assert progress_of(ended, NO_PACE).held == Hold("closing")
    assert held_words(Hold("hours", 1_764_547_200_000), short=True) == "held until 12-01 08:00"
