"""COSMS from the command line: polled, killed between request and answer, and found again in the vendor's history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.stand import Stand, numbers_file, stand

POLLED = {
    "spring": {
        "report_interval_s": 0.5,
        "mo_interval_s": 0.5,
        "timeout_s": 10.0,  # the history is looked at only after the longest that a request can take
        "connect_timeout_s": 10.0,
        "numbers_per_request": 100,
    }
}
FAST = {"report_interval": 0, "mo_interval": 0}
HELD_S = 60


def agrees(at: Stand, campaign: str) -> None:
    """Number by number: the export has what the ledger has, under its id, in its state; and nobody twice."""
    totals = at.vendor.totals()
    assert totals["double_texts"] == 0
    ours = {row["number"]: (row["state"], row["code"], row["vendor_id"]) for row in at.export(campaign)}
    theirs = {
        str(row["number"]): ("delivered" if row["status"] == "0" else "failed", row["status"], str(row["msgid"]))
        for row in at.ledger().iter_rows(named=True)
    }
    assert ours == theirs


@pytest.mark.parametrize("md5", [True, False])
def test_a_polled_campaign_ends_as_the_ledger_says_and_its_history_has_it(tmp_path: Path, md5: bool) -> None:
    ours = {"spring": {**POLLED["spring"], "md5": md5}}
    with stand(tmp_path, f"sqlite:{tmp_path}/log.db", vendor="cosms", ours=ours, theirs=_polled(), switches=FAST) as at:
        at.run()
        at.launch("may", numbers_file(tmp_path, 450))
        at.until_settled("may")
        agrees(at, "may")
        one = next(iter(at.ledger().iter_rows(named=True)))
        told = orjson.loads(at.command("account", "history", "spring", "--number", str(one["number"]), "--json"))
        assert [message["vendor_id"] for message in told["messages"]] == [str(one["msgid"])]


def test_what_was_under_way_when_the_lane_was_killed_is_found_in_the_history(tmp_path: Path) -> None:
    log_url = f"sqlite:{tmp_path}/log.db"
    with stand(
        tmp_path, log_url, vendor="cosms", ours=POLLED, theirs=_polled(), switches=FAST, lanes="intent_ttl_s = 1.0"
    ) as at:
        at.vendor.add_rule(fault="delay", delay_s=HELD_S, taken=True, skip=1)
        first = at.run()
        at.launch("may", numbers_file(tmp_path, 300))
        at.until(lambda: at.taken() == 300, "the vendor has taken all, and answered one request")
        first.kill()
        at.vendor.configure(rule=[])
        at.run()
        at.until(lambda: at.counts("may").unknown == 200, "what was under way is unknown")
        at.until_settled("may")
        agrees(at, "may")
        resolved = orjson.loads(at.command("unknown", "list", "--resolved", "--json"))["resolutions"]
        assert {each["by"] for each in resolved} == {"history"}
        assert len(resolved) == 2


def test_of_a_request_that_the_history_has_in_part_only_the_others_stay_unknown_and_may_be_sent_again(
    tmp_path: Path,
) -> None:
    log_url = f"sqlite:{tmp_path}/log.db"
    switches = {**FAST, "partial_code": "200"}
    with stand(
        tmp_path, log_url, vendor="cosms", ours=POLLED, theirs=_polled(), switches=switches, lanes="intent_ttl_s = 1.0"
    ) as at:
        at.run()
        at.launch("may", numbers_file(tmp_path, 100))
        at.until(lambda: at.counts("may").unknown == 100, "the answer was partial")
        at.until(lambda: at.counts("may").unknown == 50, "half of them are in the history")
        [chunk] = orjson.loads(at.command("unknown", "list", "--json"))["chunks"]
        said = at.command("unknown", "list")
        assert "the vendor's history has 50 of its 100 recipients" in said
        counts = at.counts("may")
        assert counts.accepted + counts.delivered + counts.failed == 50
        at.vendor.configure(partial_code="off")
        at.command("unknown", "resolve", "may", "--chunk", chunk["chunk"], "--as", "not-sent", "--yes")
        at.until_settled("may")
        assert (at.vendor.totals()["double_texts"], at.taken()) == (0, 100)


def test_a_login_is_changed_once_and_the_lane_continues_with_the_new_one(tmp_path: Path) -> None:
    log_url = f"sqlite:{tmp_path}/log.db"
    with stand(tmp_path, log_url, vendor="cosms", ours=POLLED, theirs=_polled(), switches=FAST) as at:
        new = tmp_path / "new.pw"
        new.write_text("n3w-pass\n", "utf-8")
        change = ["account", "change-login", "spring", "--password-file", str(new)]
        assert "--confirm spring" in at.command(*change, "--yes", code=2)
        said = at.command(*change, "--yes", "--confirm", "spring")
        assert "done" in said
        assert f"in {at.config_path}, [account.spring]" in said
        assert "n3w-pass" not in said + at.command("account", "operations")
        assert 'the vendor refused "spring"' in at.command("account", "check", "spring", code=2), "the old password"
        at.env["PSWD"] = "n3w-pass"
        at.run()
        at.launch("may", numbers_file(tmp_path, 50))
        at.until_settled("may")
        agrees(at, "may")


def _polled() -> dict[str, Any]:
    return {"spring": {"reports": "poll"}}
