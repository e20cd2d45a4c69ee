"""Stops, orderly and not: what is left behind, and what the next dispatcher makes of it. One suite for every log."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.e2e.stand import Stand, numbers_file, stand

RECIPIENTS = 3000
PACED = {"spring": {"flow": {"limit": 300}, "timeout_s": 10.0, "connect_timeout_s": 10.0}}
SLOW = {"latency_s": 0.5}  # so that a killed process leaves requests under way
LANES = "intent_ttl_s = 1.0"  # so that a new owner waits less


class CrashContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_an_orderly_stop_leaves_nothing_unknown_and_the_next_owner_continues(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=PACED, switches=SLOW, lanes=LANES) as at:
            first = at.run()
            in_the_middle(at)
            assert first.stop() == 0
            counts = at.counts("may")
            assert (counts.unknown, counts.in_flight) == (0, 0)
            assert counts.queued > 0
            assert at.taken() == RECIPIENTS - counts.queued
            at.run()
            at.until_settled("may")
            assert at.vendor.totals()["double_texts"] == 0
            at.compare("may")

    def test_after_a_kill_what_was_open_is_unknown_until_reports_settle_it(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=PACED, switches=SLOW | {"push": "off"}, lanes=LANES) as at:
            first = at.run()
            in_the_middle(at)
            at.until(lambda: at.vendor.totals(False)["in_work"] > 0, "a request is under way")
            first.kill()
            at.run()
            at.until(lambda: all_sent(at), "everything else was sent")
            counts = at.counts("may")
            assert counts.unknown > 0
            assert counts.accepted + counts.unknown == RECIPIENTS
            assert "Not finished" in at.command("campaign", "show", "may")
            at.compare("may")
            at.vendor.configure(push="on")
            at.until(lambda: all_final_but_unknown(at), "everything was reported")
            taken = at.taken()
            at.until(
                lambda: at.counts("may").unknown == RECIPIENTS - taken, "reports settled whom the vendor had taken"
            )
            at.compare("may")
            totals = at.vendor.totals()
            assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)

    def test_with_the_policy_resend_what_a_kill_left_unknown_is_sent_again(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=PACED, switches=SLOW, lanes=LANES) as at:
            first = at.run()
            in_the_middle(at, "--unknown", "resend")
            at.until(lambda: at.vendor.totals(False)["in_work"] > 0, "a request is under way")
            first.kill()
            under_way = RECIPIENTS - at.counts("may").queued - at.counts("may").accepted
            at.run()
            at.until_settled("may")
            counts, totals = at.counts("may"), at.vendor.totals()
            assert counts.delivered + counts.failed == totals["unique_numbers"] == RECIPIENTS
            # Only who was under way may be texted twice: that is what this policy accepts
            assert totals["double_texts"] <= under_way
            assert totals["windows_over_limit"] == 0

    def test_killed_again_and_again_it_still_sends_to_everybody_at_most_once(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=PACED, switches={"latency_s": 0.05}, lanes=LANES) as at:
            at.launch("may", numbers_file(tmp_path, RECIPIENTS))
            for _ in range(4):
                taken = at.taken()
                running = at.run()
                at.until(functools.partial(more_taken, at, taken), "something more was sent")
                running.kill()
            at.run()
            at.until(lambda: all_final_but_unknown(at), "everything was sent and reported")
            counts, totals = at.counts("may"), at.vendor.totals()
            assert counts.delivered + counts.failed + counts.unknown == RECIPIENTS
            assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)
            at.compare("may")

    def test_a_second_dispatcher_takes_over_when_the_first_is_killed(self, tmp_path: Path, log_url: str) -> None:
        with stand(tmp_path, log_url, ours=PACED, switches={"latency_s": 0.05}, lanes=LANES) as at:
            first = at.run()
            at.run("--role", "lanes")
            in_the_middle(at)
            first.kill()
            at.run("--role", "results")
            at.run("--role", "web")
            at.until(lambda: all_final_but_unknown(at), "everything was sent and reported")
            totals = at.vendor.totals()
            assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)
            at.compare("may")


def in_the_middle(at: Stand, *arguments: str) -> None:
    """Launch and wait until a part of it has been taken."""
    at.launch("may", numbers_file(at.folder, RECIPIENTS), *arguments)
    at.until(lambda: at.taken() >= RECIPIENTS // 10, "a part was sent")
    assert at.taken() < RECIPIENTS


def all_sent(at: Stand) -> bool:
    """Nothing is queued or under way."""
    counts = at.counts("may")
    return counts.queued == counts.in_flight == 0


def all_final_but_unknown(at: Stand) -> bool:
    """Nothing is queued, under way or waiting for its report."""
    counts = at.counts("may")
    return counts.open == counts.unknown


def more_taken(at: Stand, than: int) -> bool:
    """The vendor has accepted more than so many."""
    return at.taken() > than
