"""The judgement of waves."""

from __future__ import annotations

import numpy as np

from dispatcher.core.waves.judge import ALPHA, SentRequests, Verdict, WaveProgress, due, findings
from dispatcher.core.waves.sequential import Learnt
from dispatcher.core.waves.state import Decision, WaveStanding
from dispatcher.core.waves.variants import interval
from schemas.records import Finding, Wave

LEARNT = {"spring": Learnt(0.02, 0.1)}


def _sent(*requests: tuple[int, int, int, int]) -> dict[str, SentRequests]:
    waves, recipients, failed, unknown = zip(*requests, strict=True)
    return {"spring": SentRequests(np.array(waves, np.uint8), *map(np.array, (recipients, failed, unknown)))}


def test_a_vendor_that_fails_half_is_found_within_the_first_request_also_on_an_unlearnt_account() -> None:
    for learnt in (LEARNT, {}):
        first = findings(_sent((1, 100, 50, 0)), learnt, 3)[0]
        assert first.halts
        assert (first.statistic, first.account, first.trials, first.events) == ("failures", "spring", 100, 50)


def test_what_was_learnt_is_no_reason_to_halt() -> None:
    found = findings(_sent(*[(1, 100, 2, 0)] * 10, *[(2, 100, 2, 0)] * 100), LEARNT, 3, opt_outs=30)
    assert not any(finding.halts for finding in found)


def test_a_change_for_the_worse_in_a_later_wave_is_not_hidden_behind_earlier_ones() -> None:
    found = findings(_sent(*[(1, 500, 10, 0)] * 100, *[(2, 500, 25, 0)] * 4), LEARNT, 3)[0]
    assert found.halts
    assert found.since_wave == 2


def test_what_a_person_released_is_not_counted_again() -> None:
    bad = [(1, 100, 50, 0)] * 5
    assert findings(_sent(*bad), LEARNT, 3)[0].halts
    assert not any(finding.halts for finding in findings(_sent(*bad, (2, 100, 2, 0)), LEARNT, 3, from_wave=2))


def test_unknown_requests_and_opt_outs_halt_too() -> None:
    unknown = findings(_sent(*[(1, 100, 2, 100)] * 5, *[(1, 100, 2, 0)] * 5), LEARNT, 2)[0]
    assert unknown.halts
    assert (unknown.statistic, unknown.events, unknown.trials) == ("unknown", 5, 5)
    opt_outs = findings(_sent((1, 1_000, 20, 0)), LEARNT, 2, opt_outs=100)[0]
    assert opt_outs.halts
    assert opt_outs.statistic == "opt-outs"


def test_the_false_halts_of_all_statistics_are_one_in_a_hundred() -> None:
    assert sum(ALPHA.values()) <= 0.01 + 1e-9
    two = {"spring": _sent((1, 100, 2, 0))["spring"], "summer": _sent((1, 100, 2, 0))["spring"]}
    shares = [1 / finding.halts_at for finding in findings(two, LEARNT, 2) if finding.statistic != "opt-outs"]
    assert sum(shares) <= 0.8 * 0.01


def test_a_wave_is_over_when_it_was_sent_and_reports_cover_90_percent_or_the_wait_is_over() -> None:
    assert WaveProgress(100, 0, 90, 5_000).is_over(60_000, 5_001)
    assert not WaveProgress(100, 0, 89, 5_000).is_over(60_000, 64_999)
    assert WaveProgress(100, 0, 89, 5_000).is_over(60_000, 65_000)
    assert not WaveProgress(100, 1, 99, 5_000).is_over(60_000, 1_000_000)


def test_intervals_are_those_of_wilson() -> None:
    low, high = interval(10, 100)
    assert (round(low, 3), round(high, 3)) == (0.055, 0.174)
    assert interval(0, 0) == (0, 1)
    assert interval(0, 10)[0] == 0


COVERED, UNCOVERED = WaveProgress(100, 0, 90, 1_000), WaveProgress(100, 0, 89, 1_000)
BAD = Finding(statistic="failures", since_wave=1, trials=100, events=50, learnt_ppm=20_000, odds=200, halts_at=125)


def _standing(released: int = 1, halted: int = 0, *decisions: Decision) -> WaveStanding:
    return WaveStanding(
        waves=(Wave(recipients=100, batches=(1,)), Wave(recipients=900, batches=(1,))),
        wait_ms=5_000,
        released=released,
        halted=halted,
        judged_by_person=0,
        texts=(),
        text=None,
        needs_text=False,
        decisions=decisions,
    )


def test_a_wave_is_released_when_reports_cover_it_or_it_waited_and_halted_by_evidence_before_either() -> None:
    assert due(_standing(), COVERED, (), 1_001) == Verdict("released", "covered")
    assert due(_standing(), UNCOVERED, (), 5_999) is None
    assert due(_standing(), UNCOVERED, (), 6_000) == Verdict("released", "waited")
    assert due(_standing(), WaveProgress(100, 1, 99, 1_000), (), 9_000) is None
    assert due(_standing(), UNCOVERED, (BAD,), 1_001) == Verdict("halted", "found")


def test_the_last_wave_is_halted_and_never_released_and_a_person_has_the_last_word() -> None:
    assert due(_standing(released=2), COVERED, (), 9_000) is None
    assert due(_standing(released=2), COVERED, (BAD,), 9_000) == Verdict("halted", "found")
    assert due(_standing(halted=1), COVERED, (BAD,), 9_000) is None
    person = Decision(wave=1, verdict="released", at_ms=1, by="ann", by_person=True)
    assert due(_standing(1, 0, person), COVERED, (BAD,), 9_000) is None
