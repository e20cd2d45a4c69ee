"""A vendor that refuses, hangs, dies and comes back, and an account that runs dry. One suite for every log."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import orjson

from tests.e2e.contract_crashes import all_final_but_unknown
from tests.e2e.stand import numbers_file, stand
from tests.waiting import freeze

PEOPLE: Final = 4
CREDIT: Final = 12_345

OFTEN = {"spring": {"balance_interval_s": 10.0}}
"""The vendor refuses faster queries of a balance."""

PACED = {"spring": {"flow": {"limit": 500}, "timeout_s": 60.0, "connect_timeout_s": 60.0}}
HASTY = {"spring": {"flow": {"limit": 500}, "timeout_s": 3.0, "connect_timeout_s": 60.0}}

PASSING: list[dict[str, Any]] = [
    {"code": "103"},
    {"code": "104"},
    {"fault": "http_429"},
    {"fault": "chunked"},
    {"fault": "connection_close"},
    {"fault": "http10_close"},
    {"fault": "slow_drip", "drip_s": 0.01},
    {"fault": "delay", "delay_s": 0.5},
]
"""What the vendor may do to some requests without anybody being lost, texted twice or unknown."""

DOUBTFUL: list[dict[str, Any]] = [
    {"fault": "no_answer", "taken": True},
    {"fault": "no_answer", "taken": False},
    {"fault": "reset"},
    {"fault": "half_answer"},
    {"fault": "http_500"},
    {"fault": "http_502", "taken": True},
    {"fault": "html_200", "taken": True},
]
"""After these nobody can know: the chunk is unknown and is not sent again; reports tell whether it was taken."""


class VendorContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_a_vendor_stricter_than_the_configuration_slows_us_down_and_loses_no_recipient(
        self, tmp_path: Path, log_url: str
    ) -> None:
        theirs = {"spring": {"flow": {"limit": 300}}}
        with stand(tmp_path, log_url, ours={"spring": {"flow": {"limit": 500}}}, theirs=theirs) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 2000))
            at.until_settled("may")
            totals = at.vendor.totals()
            assert totals["codes"]["103"] > 0
            assert (totals["double_texts"], totals["numbers_accepted"]) == (0, 2000)
            at.compare("may")

    def test_an_account_without_credit_stops_and_continues_after_a_top_up(self, tmp_path: Path, log_url: str) -> None:
        theirs = {"spring": {"products": {"1234567": 450}}}
        with stand(tmp_path, log_url, ours=PACED, theirs=theirs) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 1000))
            at.until(lambda: at.taken() > 0 and at.counts("may").accepted == 0 and at.counts("may").in_flight == 0,
                     "the account is dry")  # fmt: skip
            counts = at.counts("may")
            assert 0 < counts.delivered + counts.failed <= 450
            assert counts.queued == 1000 - counts.delivered - counts.failed
            at.vendor.top_up("spring", 5000)
            at.until_settled("may")
            totals = at.vendor.totals()
            assert (totals["double_texts"], totals["numbers_accepted"]) == (0, 1000)
            at.compare("may")

    def test_a_wrong_password_stops_the_lane_and_account_check_sets_it_going(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url) as at:
            at.vendor.configure(rule=[{"code": "102"}])
            at.run()
            at.launch("may", numbers_file(tmp_path, 100))
            at.until(lambda: at.vendor.totals(False)["codes"].get("102"), "the vendor refused us")
            at.until(lambda: at.counts("may").queued == 100, "the numbers are queued again")
            at.vendor.configure(rule=[])
            assert "spring: ok" in at.command("account", "check", "spring")
            at.until_settled("may")
            assert "balance 103" not in at.vendor.totals()["codes"]
            at.compare("may")

    def test_however_many_ask_for_the_balance_the_vendor_s_interval_is_kept(self, tmp_path: Path, log_url: str) -> None:
        theirs = {"spring": {"products": {"1234567": CREDIT}}}
        with stand(tmp_path, log_url, ours=OFTEN, theirs=theirs) as at, ThreadPoolExecutor(PEOPLE) as people:
            route = ["--route", "spring", "--text", "hi"]
            plan = ["campaign", "launch", str(numbers_file(tmp_path, 10)), *route, "--dry-run", "--json"]
            balance = ["account", "balance", "spring", "--json"]

            def asked(command: list[str]) -> dict[str, Any]:
                [account] = orjson.loads(at.started(*command))["accounts"]
                return dict(account)

            told = list(people.map(asked, [plan, balance, plan, balance]))  # all at once, and there is no log yet
            dispatchers = [at.run("--role", "lanes"), at.run("--role", "lanes")]
            checks = people.submit(lambda: [at.started("account", "check", "spring") for _ in range(2)])
            while not checks.done():
                told += people.map(asked, [plan, balance])
                time.sleep(2)
            assert all("spring: ok" in each for each in checks.result())
            assert [dispatcher.stop() for dispatcher in dispatchers] == [0, 0]
            codes = at.vendor.totals()["codes"]
            assert "balance 103" not in codes
            assert codes["balance 0"] >= len(["whoever was first", "a check", "another check"])
            known = {each["balance"] if "balance" in each else each["messages"] for each in told}
            assert known - {None} == {CREDIT}, "None: the first one had not been answered yet"

    def test_what_is_provably_not_taken_is_sent_again_and_a_slow_answer_is_an_answer(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=PACED) as at:
            at.vendor.configure(rule=each_once(PASSING))
            at.run()
            at.launch("may", numbers_file(tmp_path, 1500))
            at.until_settled("may")
            totals = at.vendor.totals()
            assert (totals["double_texts"], totals["numbers_accepted"]) == (0, 1500)
            assert sum(totals["faults"].values()) >= len([rule for rule in PASSING if "fault" in rule])
            assert at.counts("may").unknown == 0
            at.compare("may")

    def test_what_may_have_been_taken_is_never_sent_again_and_reports_settle_it(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=PACED) as at:
            at.vendor.configure(rule=each_once(DOUBTFUL))
            at.run()
            at.launch("may", numbers_file(tmp_path, 1500))
            at.until(lambda: all_final_but_unknown(at), "everything is sent and reported")
            totals = at.vendor.totals()
            assert (totals["double_texts"], sum(totals["faults"].values())) == (0, len(DOUBTFUL))
            taken = totals["numbers_accepted"]
            at.until(lambda: at.counts("may").unknown == 1500 - taken, "reports settled whom the vendor had taken")
            assert taken < 1500  # two requests were not taken, which nobody can know
            at.compare("may")

    def test_a_vendor_that_freezes_and_wakes_up_texts_no_recipient_twice(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=HASTY) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 2000))
            at.until(lambda: at.taken() > 200, "a part was sent")
            freeze(at.vendor.pid)
            try:
                at.until(lambda: at.counts("may").unknown > 0, "a request found no answer")
            finally:
                os.kill(at.vendor.pid, signal.SIGCONT)
            at.until(lambda: all_final_but_unknown(at), "everything is sent and reported")
            totals = at.vendor.totals()
            assert totals["double_texts"] == 0
            unknown = 2000 - totals["numbers_accepted"]
            at.until(lambda: at.counts("may").unknown == unknown, "reports settled whom the vendor had taken")
            at.compare("may")


def each_once(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of these for one request, one after the other, after two that go well."""
    return [{"hold_s": 0.5, **rule, "count": 1, "skip": 2 + place} for place, rule in enumerate(rules)]
