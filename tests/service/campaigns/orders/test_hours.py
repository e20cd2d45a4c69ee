"""The hours of a campaign: at the launch, changed later, and resumed after they ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.schedule.hours import DAY_MIN, Hours, hours_of, of_spans, recorded
from dispatcher.core.shanghai import DAY_MS
from dispatcher.errors import UserError
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.orders.control import before_control, resume_campaign
from dispatcher.service.campaigns.orders.hours import change_hours
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import Session, open_session
from dispatcher.wording import SHANGHAI
from producers.campaigns.hours_command import hours_sentence
from schemas.codec import encode
from schemas.records import Flowed, HoursChanged, Launched
from tests.service.place import configured, launched, written


def hour_from_now(hours: int) -> Hours:
    """The daily window of one hour that begins this long after the full hour."""
    begins = (datetime.fromtimestamp(now_ms() / 1000, SHANGHAI) + timedelta(hours=hours)).hour * 60
    return of_spans((day * DAY_MIN + begins, day * DAY_MIN + begins + 60) for day in range(7))


def daytime(folder: Path) -> Config:
    config = configured(folder)
    return replace(
        config, hours=replace(config.hours, marketing="08:00-20:00", carriers={"mobile": "Mon-Fri 09:00-21:00"})
    )


async def record_of(session: Session, campaign: str) -> Launched:
    found = [each for each in await written(await session.log()) if isinstance(each, Launched)]
    return next(each for each in found if each.campaign == campaign)


async def ended(session: Session, campaign: str, hours: Hours) -> None:
    """A campaign whose session ended two days ago: it was launched when that began."""
    await launched(session, "model")
    opens_ms, _ = hours.session(now_ms() - 3 * DAY_MS)
    record = replace(
        await record_of(session, "model"), campaign=campaign, at_ms=opens_ms, hours=hours.spans, hours_within=()
    )
    await (await session.log()).append("campaigns", 0, [Entry(f"{campaign}#x".encode(), encode(record))])


async def test_a_launch_records_the_hours_of_class_carriers_and_request_together(tmp_path: Path) -> None:
    async with open_session(daytime(tmp_path)) as session:
        await launched(session, "may", between="10:00-22:00", days="Fri-Sun")
        record = await record_of(session, "may")
        assert record.campaign_class == "marketing"
        assert recorded(record.hours) == hours_of("Fri 10:00-20:00")
        assert recorded(record.hours_within) == hours_of("Mon-Fri 09:00-20:00")
        cold_terms = {"campaign_class": "notice", "between": "20:00-02:00", "days": "Thu-Sat", "at_closing": "continue"}
        await launched(session, "cold", **cold_terms)  # type: ignore[arg-type]
        cold = await record_of(session, "cold")
        assert (cold.campaign_class, cold.at_closing) == ("notice", "continue")
        assert recorded(cold.hours) == hours_of("Thu,Fri 20:00-21:00")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"between": "20:00-22:00"}, r"20:00-22:00 is outside the hours of class marketing \(08:00-20:00\)"),
        ({"days": "Sat,Sun"}, r"its numbers of China Mobile may be texted Mon-Fri 09:00-21:00"),
        ({"between": "9-20"}, "--between: '9-20' must be FROM-TO"),
        ({"days": "Mo"}, "--days: 'Mo' is no day"),
        ({"campaign_class": "spam"}, "the class must be marketing, notice, code, not 'spam'"),
        ({"at_closing": "stop"}, "must be pause or continue, not 'stop'"),
    ],
)
async def test_hours_without_time_to_send_and_other_mistakes_are_refused_in_a_sentence(
    tmp_path: Path, wanted: dict[str, Any], why: str
) -> None:
    async with open_session(daytime(tmp_path)) as session:
        with pytest.raises(UserError, match=why):
            await launched(session, "may", **wanted)


async def test_a_campaign_whose_hours_ended_is_resumed_for_its_next_session(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        hours = hour_from_now(3)
        await ended(session, "may", hours)
        view = await show_campaign(session, "may")
        assert (view.status, view.held and view.held.why) == ("held", "closing")
        assert view.hindrances.sentences() == []
        done = await resume_campaign(session, "may", by="ann")
        assert done.changed
        assert done.held is not None
        assert done.held.until_ms == hours.opens_ms(now_ms())
        again = await resume_campaign(session, "may")
        assert (again.changed, again.held) == (False, done.held)
        assert [each.by for each in await written(await session.log()) if isinstance(each, Flowed)] == ["ann"]


async def test_hours_are_changed_within_those_of_class_and_carriers(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", between="10:00-12:00")
        done = await change_hours(session, "may", between="09:00-21:00", at_closing="continue", by="ann")
        assert (done.changed, done.hours, done.at_closing, done.ends_ms) == (True, "09:00-21:00", "continue", None)
        assert not (await change_hours(session, "may", between="09:00-21:00")).changed
        only_terms = await change_hours(session, "may", at_closing="pause")
        assert (only_terms.hours, only_terms.at_closing, only_terms.changed) == ("09:00-21:00", "pause", True)
        records = [each for each in await written(await session.log()) if isinstance(each, HoursChanged)]
        assert [(each.at_closing, recorded(each.hours)) for each in records] == [
            ("continue", hours_of("09:00-21:00")),
            ("pause", hours_of("09:00-21:00")),
        ]
        always = await change_hours(session, "may", between="00:00-24:00")
        assert (always.hours, always.held, always.ends_ms) == ("00:00-24:00", None, None)


async def test_hours_beyond_those_of_class_and_carriers_are_cut_and_that_is_said(tmp_path: Path) -> None:
    async with open_session(daytime(tmp_path)) as session:
        await launched(session, "may")
        done = await change_hours(session, "may", between="00:00-24:00")
        assert (done.changed, done.narrowed) == (False, True)
        assert hours_sentence(done).startswith(
            'nothing changed: campaign "may" may be sent Mon-Fri 09:00-20:00 (Asia/Shanghai); its class and carriers '
            "allow no more"
        )
        assert not (await change_hours(session, "may", between="10:00-11:00", days="Mon,Tue")).narrowed


async def test_hours_outside_those_of_class_and_carriers_are_refused(tmp_path: Path) -> None:
    async with open_session(daytime(tmp_path)) as session:
        await launched(session, "may")
        with pytest.raises(UserError, match=r"outside those of its class and carriers \(Mon-Fri 09:00-20:00\)"):
            await change_hours(session, "may", between="20:00-23:00")
        with pytest.raises(UserError, match="must be pause or continue"):
            await change_hours(session, "may", at_closing="never")
        with pytest.raises(UserError, match='there is no campaign "june"'):
            await change_hours(session, "june", days="Mon")


async def test_longer_hours_release_a_campaign_whose_session_ended_today(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        shut = await change_hours(session, "may", between=str(hour_from_now(5)))
        assert shut.held is not None
        assert shut.held.until_ms > now_ms()
        open_ = await change_hours(session, "may", between="00:00-24:00")
        assert open_.held is None
        assert not (await before_control(session, "may")).now.paused


async def test_another_request_for_hours_is_another_campaign(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        assert (await launched(session, "may", between="00:00-24:00")).already_launched
        with pytest.raises(UserError, match="taken: it was launched with other sending hours"):
            await launched(session, "may", between="08:00-20:00")
        with pytest.raises(UserError, match="taken: it was launched with another class"):
            await launched(session, "may", campaign_class="notice")
