"""Messages from phones through every vendor, and an opt-out that the next launch goes by. One suite for every log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.contract_campaigns import ONE_BY_ONE
from tests.e2e.stand import Stand, numbers_file, stand

A, B, C = "13800138000", "13800138001", "13800138002"
LONG = "".join(f"第{number}句话。" for number in range(40))
POLLED = {"spring": {"mo_interval_s": 1.0, "report_interval_s": 1.0}}


class InboundContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    @pytest.mark.parametrize("vendor", ["batch-a", "hezhong", "guodu", "cosms"])
    def test_an_opt_out_is_left_out_of_the_next_launch(self, tmp_path: Path, log_url: str, vendor: str) -> None:
        with stand(tmp_path, log_url, vendor=vendor) as at:
            dispatcher = at.run()
            pushed_to(at)
            assert says(at, A, "td。") == says(at, B, "price?") == [200]
            assert listed(at) == {A: ("opt-out", "spring", "TD")}
            assert says(at, A, "td。") == [200]  # a vendor may say it again
            launched(at, "may", A, B, C)
            at.until_settled("may")
            counts = at.counts("may")
            assert (counts.rows, counts.recipients, counts.suppressed) == (3, 2, 1)
            assert set(at.ledger()["number"]) == {B, C}
            assert {message["number"] for message in messages(at)} == {A, B}
            assert dispatcher.stop() == 0

    def test_an_opt_out_reaches_into_the_queue_of_a_campaign_that_is_being_sent(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=ONE_BY_ONE, switches={"latency_s": 1.0}) as at:
            dispatcher = at.run()
            pushed_to(at)
            numbers = numbers_file(tmp_path, 480)
            last = numbers.read_text("ascii").split()[-1]
            at.launch("may", numbers)
            at.until(lambda: at.taken() > 0, "something was sent")
            assert says(at, last, "TD") == [200]
            sent = at.taken()
            at.until(lambda: at.taken() > sent + 80, "the lane read the list meanwhile")
            at.vendor.configure(latency_s=0.0)
            at.until_settled("may")
            assert last not in set(at.ledger()["number"])
            counts = at.counts("may").check()
            assert (counts.suppressed, counts.delivered + counts.failed, counts.queued) == (1, 479, 0)
            [row] = [row for row in at.export("may") if row["number"] == last]
            assert (row["state"], row["meaning"], row["vendor_id"], row["submitted_at"]) == (
                "suppressed", "put on the suppression list after the launch", "", "",
            )  # fmt: skip
            assert row["reported_at"]
            [seen] = orjson.loads(at.command("lookup", last, "--json"))["campaigns"]
            assert (seen["state"], seen["final"], seen["meaning"]) == ("suppressed", True, row["meaning"])
            assert row["meaning"] in at.command("campaign", "show", "may")
            assert dispatcher.stop() == 0
            at.command("store", "rebuild", "--yes")
            assert at.counts("may") == counts
            assert row in at.export("may")

    def test_long_messages_come_whole_whatever_becomes_of_their_parts(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url) as at:
            at.run()
            pushed_to(at)
            for number, (order, duplicate) in enumerate([("in_order", 1), ("reversed", 2), ("shuffled", 3)]):
                fields = {"mobile": f"1380013800{number}", "msg": f"{number}{LONG}", "id": 7}
                assert set(at.vendor.push_inbound("spring", **fields, order=order, duplicate=duplicate)) == {200}
            at.vendor.push_inbound("spring", mobile="13800138008", msg=LONG, id=8, missing=2)
            at.vendor.push_inbound("spring", mobile="13800138009", msg="alone", isems="1", emshead="255,5,6")
            at.until(lambda: len(messages(at)) == 4, "all but the incomplete one are there")
            found = {message["number"]: (message["text"], message["flags"]) for message in messages(at)}
            assert found == {f"1380013800{number}": (f"{number}{LONG}", []) for number in range(3)} | {
                "13800138009": ("alone", ["broken-emshead"])
            }
            at.config_path.write_text(
                at.config_path.read_text("utf-8").replace("[store]", "[store]\nparts_within_s = 0.1")
            )
            (incomplete,) = [message for message in messages(at) if message["missing"]]
            assert (incomplete["number"], incomplete["missing"], incomplete["flags"]) == (
                "13800138008",
                [2],
                ["incomplete"],
            )

    def test_a_polled_opt_out_goes_the_same_way(self, tmp_path: Path, log_url: str) -> None:
        theirs = {"spring": {"reports": "poll"}}
        switches = {"mo_interval": 0, "report_interval": 0}
        with stand(tmp_path, log_url, vendor="cosms", ours=POLLED, theirs=theirs, switches=switches) as at:
            at.run()
            at.vendor.push_inbound("spring", messages=[{"mobile": A, "msg": "退订"}, {"mobile": B, "msg": "你好"}])
            at.until(lambda: len(messages(at)) == 2, "both messages were polled")
            assert listed(at) == {A: ("opt-out", "spring", "退订")}
            launched(at, "may", A, B)
            at.until(lambda: at.taken() == 1, "the other one was sent to")
            assert at.counts("may").suppressed == 1

    def test_the_results_made_anew_hold_the_same_messages(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url) as at:
            dispatcher = at.run()
            pushed_to(at)
            for text in ("hello", LONG, "TD"):
                assert set(says(at, A, text)) == {200}
            at.vendor.push_inbound("spring", mobile=A, msg=LONG, id=9, order="shuffled", duplicate=1, missing=2)
            at.until(lambda: len(messages(at)) == 3, "they are all there")
            assert dispatcher.stop() == 0
            before = orjson.loads(at.command("inbound", "list", "--json"))
            at.command("store", "rebuild", "--yes")
            assert orjson.loads(at.command("inbound", "list", "--json")) == before


def pushed_to(at: Stand) -> None:
    """The vendor knows where to push what phones say."""
    at.vendor.configure(account={"spring": {"inbound_url": f"{at.web}/push/spring/inbound"}})


def says(at: Stand, number: str, text: str, **fields: Any) -> list[int]:
    """A phone says something; how the push was answered."""
    return at.vendor.push_inbound("spring", mobile=number, msg=text, **fields)


def launched(at: Stand, campaign: str, *numbers: str) -> None:
    path = at.folder / f"{campaign}.txt"
    path.write_text("\n".join(numbers), "ascii")
    at.launch(campaign, path)


def messages(at: Stand) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(at.command("inbound", "list", "--json"))["messages"]
    return found


def listed(at: Stand) -> dict[str, tuple[str, str, str]]:
    entries = orjson.loads(at.command("suppression", "list", "--json"))["entries"]
    return {entry["number"]: (entry["source"], entry["by"], entry["why"]) for entry in entries}
