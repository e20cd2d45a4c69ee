"""What the content rules say in a launch's plan, and what they refuse."""

from __future__ import annotations

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import TextError
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session, open_session
from producers.launch.api import launch, plan_launch
from producers.launch.planning.plan_text import plan_lines
from tests.memory_log import MemoryLog

ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
NUMBERS = ["13800138000", "13000130000", "13300133000", "19200192000"]


def table(tmp_path, **fields):
    return {
        "log": {"url": "sqlite:log.db"},
        "store": {"url": f"sqlite:{tmp_path / 'results.db'}"},
        "account": {"spring": ACCOUNT | fields},
    }


async def planned(tmp_path, numbers=NUMBERS, text="hi", fields=None, **request):
    config = parse(table(tmp_path, **(fields or {})), str(tmp_path / "d.toml"))
    async with open_session(config, log=MemoryLog()) as session:
        return await plan_launch(session, LaunchRequest(numbers=numbers, text=text, route=["spring"], **request))


async def test_the_plan_says_what_a_link_costs_by_carrier_and_what_to_change(tmp_path):
    plan = await planned(tmp_path, text="【Shop】见 t.cn/Ab12 拒收请回复R")
    (finding,) = plan.content
    assert (finding.rule, finding.recipients) == ("link", 3)
    assert finding.carriers == {"mobile": 1, "unicom": 1, "telecom": 1}
    text = "\n".join(plan_lines(plan))
    for words in (
        "WARNING link: the text has a link: t.cn/Ab12",
        "may cost 3 recipients: 1 China Mobile, 1 China Unicom, 1 China Telecom",
        "to change: leave it out",
    ):
        assert words in text


async def test_links_in_the_values_of_some_recipients_cost_these(tmp_path):
    table = "手机,见\n13800138000,t.cn/Ab12\n13000130000,店里\n13300133000,t.cn/Cd34\n".encode()
    plan = await planned(tmp_path, numbers=table, text="【Shop】见{见}，拒收请回复R")
    (finding,) = plan.content
    assert (finding.rule, finding.carriers) == ("link", {"mobile": 1, "telecom": 1})
    assert "in some recipients' values" in finding.says


async def test_only_texts_that_are_too_long_cost_their_recipients(tmp_path):
    fields = {"text_chars_max": 536}
    rows = f"手机,见\n13800138000,{'好' * 495}\n13000130000,店里\n".encode()
    plan = await planned(tmp_path, numbers=rows, text="【Shop】{见}，拒收请回复R", fields=fields)
    assert [(each.rule, each.carriers) for each in plan.content] == [("length", {"mobile": 1})]


async def test_a_text_that_the_accounts_code_table_refuses_is_not_launched(tmp_path):
    config = parse(table(tmp_path, signature="text"), str(tmp_path / "d.toml"))
    log = MemoryLog()
    async with open_session(config, log=log) as session:
        with pytest.raises(
            TextError, match=r'account "spring": the text has no 【signature】.*code 116: signature illegal'
        ):
            await launch(session, LaunchRequest(numbers=NUMBERS, text="hi", route=["spring"]))
    assert log.appends == 0
    plan = await planned(tmp_path, fields={"signature": "vendor"}, text="hi，拒收请回复R")
    assert plan.content == ()


async def test_a_number_that_got_the_text_twice_in_a_minute_is_counted(tmp_path):
    places = table(tmp_path) | {"log": {"url": f"sqlite:{tmp_path / 'log.db'}"}}
    text = "【Shop】五月大促，拒收请回复R"

    async def launched(session: Session, numbers: list[str]) -> None:
        await launch(session, LaunchRequest(numbers=numbers, text=text, route=["spring"]))

    async with open_session(parse(places, str(tmp_path / "d.toml"))) as session:
        await launched(session, NUMBERS[:3])
        await launched(session, NUMBERS[1:])
        plan = await plan_launch(session, LaunchRequest(numbers=NUMBERS, text=text, route=["spring"]))
    (finding,) = plan.content
    assert (finding.rule, finding.carriers) == ("equal-text", {"unicom": 1, "telecom": 1})
    assert len(plan.notes) == 2
