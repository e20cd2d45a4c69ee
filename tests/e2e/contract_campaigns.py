"""A campaign from the list to the last report, and what a person does to it on the way. One suite for every log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from loadtest.scenarios.lists import write_dirty
from tests.e2e.stand import Stand, numbers_file, stand, text_of

PACED = {"spring": {"flow": {"limit": 400}}}
ONE_BY_ONE = {"spring": {"flow": {"limit": 400}, "inflight_max": 1}}
SLOW = {"latency_s": 1.0}  # a request, 80 numbers, a second: a person has time to act while a campaign is being sent


class CampaignContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_a_dirty_list_goes_to_two_accounts_and_every_recipient_ends_as_the_vendors_ledger_says(
        self, tmp_path: Path, log_url: str
    ) -> None:
        accounts: dict[str, dict[str, Any]] = {
            "spring": {"flow": {"limit": 1000}},
            "summer": {"numbers_per_request": 700},
        }
        faults = {"report_duplicates": 0.1, "report_early": 0.2, "report_unknown_ids": 0.02, "report_prefix": "+86"}
        with stand(tmp_path, log_url, ours=accounts, switches=faults) as at:
            made = write_dirty(tmp_path, 5000)
            at.run()
            at.launch("may", made.path, "--suppress", str(made.suppress), route="spring,summer")
            at.until_settled("may")
            counts = at.counts("may")
            assert (counts.rows, counts.invalid, counts.duplicate, counts.suppressed, counts.recipients) == (
                made.rows, made.invalid, made.duplicate, made.suppressed, made.recipients,
            )  # fmt: skip
            assert counts.delivered + counts.failed == made.recipients
            assert len(at.export("may")) == made.recipients
            at.compare("may")
            ledger = at.ledger()
            assert set(ledger["account"]) == {"spring", "summer"}
            assert ledger["number"].n_unique() == ledger.height == made.recipients
            totals = at.vendor.totals()
            assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)

    def test_a_campaign_whose_first_wave_fails_is_halted_and_the_rest_is_never_sent(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, switches={"status_mix": {"DELIVRD": 1.0, "UNDELIV": 1.0}}) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 2000), "--waves", "10 %, rest")
            at.until(lambda: (hold := at.view("may").held) is not None and hold.why == "halted", "may is halted")
            at.until(lambda: not at.counts("may").accepted, "its reports are there")
            counts = at.counts("may")
            assert (counts.delivered + counts.failed, counts.queued) == (200, 1800)
            shown = " ".join(at.command("campaign", "show", "may").split())
            assert "Halted: " in shown
            assert "dispatcher campaign release may" in shown
            at.vendor.configure(status_mix={"DELIVRD": 1.0})
            at.command(
                "campaign", "launch", str(numbers_file(tmp_path, 1000, 13_900_000_000)), "--id", "june", "--yes",
                "--text", "【Test】a", "--text", "【Test】b", "--waves", "20 %, rest", "--route", "spring",
            )  # fmt: skip
            at.until(lambda: (hold := at.view("june").held) is not None and hold.why == "text", "june needs its text")
            at.command("campaign", "decide", "june", "--text", "B")
            at.until_settled("june")
            texts = Counter(at.ledger()["text"])
            assert texts == {text_of("may"): 200, "【Test】a": 100, "【Test】b": 900}
            at.command("campaign", "cancel", "may", "--yes")
            assert at.counts("may").cancelled == 1800

    def test_a_launch_repeated_with_the_same_id_sends_nothing_again(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url) as at:
            numbers = numbers_file(tmp_path, 300)
            at.run()
            for _ in range(3):
                at.launch("may", numbers)
            at.until_settled("may")
            at.compare("may")
            assert at.taken() == 300

    def test_a_paused_campaign_sends_nothing_until_it_is_resumed_where_it_stopped(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=ONE_BY_ONE, switches=SLOW) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 2000))
            at.until(lambda: at.taken() > 0, "something was sent")
            at.command("campaign", "pause", "may")
            at.vendor.configure(latency_s=0.0)
            at.until(lambda: stands_still(at, "may"), "nothing is under way")
            assert at.view("may").status == "paused"
            taken = at.taken()
            assert 0 < taken < 2000
            at.launch("other", numbers_file(tmp_path, 400, first=13_900_000_000))
            at.until_settled("other")  # the lane goes on; only this campaign does not
            assert at.taken() == taken + 400
            at.command("campaign", "resume", "may")
            at.until_settled("may")
            at.compare("may", "other")
            assert at.vendor.totals()["double_texts"] == 0

    def test_a_cancelled_campaign_keeps_what_was_sent_and_sends_no_more(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=ONE_BY_ONE, switches=SLOW) as at:
            at.run()
            at.launch("may", numbers_file(tmp_path, 6000))
            at.until(lambda: at.taken() > 0, "something was sent")
            at.command("campaign", "cancel", "may", "--yes")
            at.until_settled("may")
            counts = at.counts("may")
            assert counts.cancelled > 0
            assert counts.cancelled + counts.delivered + counts.failed == 6000
            assert at.taken() == counts.delivered + counts.failed
            at.compare("may")
            assert "final" in at.command("campaign", "resume", "may", code=2)
            states = [line["state"] for line in at.export("may")]
            assert states.count("cancelled") == counts.cancelled

    def test_a_campaign_paused_before_anything_runs_is_not_sent(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url) as at:
            at.launch("may", numbers_file(tmp_path, 100))
            at.launch("june", numbers_file(tmp_path, 100, first=13_900_000_000))
            at.command("campaign", "pause", "may")
            at.run()
            at.until_settled("june")
            assert (at.taken(), at.counts("may").queued) == (100, 100)

    def test_campaigns_share_an_account_by_weight(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=PACED) as at:
            at.launch("light", numbers_file(tmp_path, 1600))
            at.launch("heavy", numbers_file(tmp_path, 1600, first=13_900_000_000), "--weight", "3")
            at.run()
            at.until_settled("light", "heavy")
            by_arrival = at.ledger().sort("arrived_s", maintain_order=True)["text"].to_list()
            heavy = [place for place, text in enumerate(by_arrival) if text == text_of("heavy")]
            light = by_arrival[heavy[400] : heavy[-1] + 1].count(text_of("light"))
            # Once the lists of both are loaded: 1,200 of one beside a third of that of the other, to within two chunks
            assert abs(light - 1200 // 3) <= 2 * 80
            at.compare("light", "heavy")

    def test_an_urgent_campaign_overtakes_a_big_one(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=ONE_BY_ONE, switches=SLOW) as at:
            at.run()
            at.launch("big", numbers_file(tmp_path, 8000))
            at.until(lambda: at.taken() > 0, "the big one is being sent")
            at.launch("alert", numbers_file(tmp_path, 100, first=13_900_000_000), "--urgent")
            at.until(lambda: at.view("alert").counts.settled, "the urgent one is settled")
            assert at.counts("big").queued > 0
            at.command("campaign", "cancel", "big", "--yes")
            at.until_settled("big")
            by_arrival = at.ledger().sort("arrived_s", maintain_order=True)["text"].to_list()
            assert by_arrival[-1] == text_of("big")
            at.compare("big", "alert")


def stands_still(at: Stand, campaign: str) -> bool:
    """Nothing of it is under way and all reports are in."""
    counts = at.counts(campaign)
    return counts.in_flight == counts.accepted == 0
