"""Unknown requests from the fault at the vendor to the final word, by evidence and by a person, as people meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.stand import Stand, numbers_file, stand

RECIPIENTS = 1000
PACED = {"spring": {"flow": {"limit": 500}, "timeout_s": 5.0, "connect_timeout_s": 5.0}}
LANES = "intent_ttl_s = 1.0"


@contextmanager
def silent_vendor(folder: Path, *, taken: bool) -> Iterator[Stand]:
    """A vendor that gives no answer to the third and fourth request, and reports nothing for now."""
    with stand(folder, f"sqlite:{folder}/log.db", ours=PACED, switches={"push": "off"}, lanes=LANES) as at:
        at.vendor.configure(rule=[{"fault": "no_answer", "taken": taken, "skip": 2, "count": 2, "hold_s": 0.5}])
        yield at


def two_unknown(at: Stand) -> int:
    """Send everything; how many recipients are in the two requests without an answer."""
    at.run()
    at.launch("may", numbers_file(at.folder, RECIPIENTS))
    at.until(lambda: at.counts("may").accepted + at.counts("may").unknown == RECIPIENTS, "everything was sent")
    return at.counts("may").unknown


def printed(at: Stand, *arguments: str) -> Any:
    return json.loads(at.command(*arguments, "--json"))


def test_reports_prove_what_the_vendor_took_without_an_answer_and_everybody_is_delivered(tmp_path: Path) -> None:
    with silent_vendor(tmp_path, taken=True) as at:
        unknown = two_unknown(at)
        found = printed(at, "unknown", "list")
        assert (found["recipients"], found["requests"]) == (unknown, 2)
        assert {chunk["code"] for chunk in found["chunks"]} == {"no answer"}
        at.compare("may")
        at.vendor.configure(push="on")
        at.until_settled("may")
        counts, totals = at.counts("may"), at.vendor.totals()
        assert counts.delivered + counts.failed == totals["numbers_accepted"] == RECIPIENTS
        assert totals["double_texts"] == 0
        at.compare("may")
        resolved = printed(at, "unknown", "list", "--resolved", "--campaign", "may")["resolutions"]
        assert sorted((each["chunk"], each["as"], each["by"]) for each in resolved) == sorted(
            (chunk["chunk"], "sent", "evidence") for chunk in found["chunks"]
        )
        assert printed(at, "unknown", "list")["recipients"] == 0
        assert "finished" in at.command("campaign", "watch", "may")


def test_what_the_vendor_did_not_take_stays_unknown_until_a_person_has_it_sent_again(tmp_path: Path) -> None:
    with silent_vendor(tmp_path, taken=False) as at:
        unknown = two_unknown(at)
        at.vendor.configure(push="on")
        at.until(lambda: at.counts("may").accepted == 0, "everybody else was reported")
        assert at.counts("may").unknown == unknown
        assert at.view("may").status == "holding"
        assert "not finished" in at.command("campaign", "watch", "may")
        assert "no report so far" in at.command("unknown", "list", "--campaign", "may")
        at.compare("may")

        refused = at.command("unknown", "resolve", "may", "--as", "resend", code=2)
        assert "add --yes" in refused
        assert at.counts("may").unknown == unknown
        done = printed(at, "unknown", "resolve", "may", "--as", "resend", "--why", "the vendor has no trace", "--yes")
        assert (done["recipients"], done["in_effect"], len(done["chunks"])) == (unknown, True, 2)

        at.until_settled("may")
        counts, totals = at.counts("may"), at.vendor.totals()
        assert counts.delivered + counts.failed == totals["numbers_accepted"] == RECIPIENTS
        assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)
        at.compare("may")
        resolved = printed(at, "unknown", "list", "--resolved")["resolutions"]
        assert [(each["as"], each["by"], each["why"]) for each in resolved] == [
            ("resend", done["by"], "the vendor has no trace")
        ] * 2


def test_a_list_that_is_sent_twice_is_not_guessed_at_until_one_of_both_is_known(tmp_path: Path) -> None:
    with silent_vendor(tmp_path, taken=True) as at:
        at.vendor.configure(
            rule=[
                {"fault": "no_answer", "taken": True, "text": "may", "count": 1, "hold_s": 0.5},
                {"fault": "no_answer", "taken": False, "text": "june", "count": 1, "hold_s": 0.5},
            ]
        )
        at.run()
        numbers = numbers_file(at.folder, 50)
        at.launch("may", numbers)
        at.launch("june", numbers)
        at.until(lambda: (at.counts("may").unknown, at.counts("june").unknown) == (50, 50), "both are unknown")
        at.vendor.configure(push="on")
        at.until(
            lambda: all(chunk["evidence"] for chunk in printed(at, "unknown", "list")["chunks"]), "reports came in"
        )
        found = {chunk["campaign"]: chunk for chunk in printed(at, "unknown", "list")["chunks"]}
        assert [found["may"]["proven"], found["june"]["proven"]] == [False, False]
        [other] = found["may"]["evidence"][0]["others"]
        assert other == {"chunk": found["june"]["chunk"], "campaign": "june", "state": "unknown"}
        assert "may well have taken them" in _said(at, "june")

        vendor_id = found["may"]["evidence"][0]["vendor_id"]  # their portal says under which text
        at.command(
            "unknown", "resolve", "may", "--chunk", found["may"]["chunk"], "--as", "sent", "--vendor-id", vendor_id,
            "--yes",
        )  # fmt: skip
        at.until_settled("may")
        assert at.counts("june").unknown == 50
        at.command("unknown", "resolve", "june", "--as", "not-sent", "--yes")
        at.until_settled("june")
        assert (at.taken(), at.vendor.totals()["double_texts"]) == (100, 0)
        at.compare("may", "june")


def _said(at: Stand, campaign: str) -> str:
    """What it says before it refuses to decide without being asked."""
    return at.command("unknown", "resolve", campaign, "--as", "resend", code=2)
