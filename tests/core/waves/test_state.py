"""Which waves are released, by decisions in any order."""

from __future__ import annotations

from itertools import permutations
from typing import Literal

from dispatcher.core.campaigns import Campaigns
from schemas.records import DECIDED_LATER, AnyRecord, Launched, TextDecided, Wave, WaveDecided


def launched(waves: int = 3, texts: tuple[str, ...] = ()) -> Launched:
    return Launched(
        campaign="may", attempt="a", fingerprint="", name="", text="hi", legs=(), weight=1, urgent=False,
        unknown="hold", rows=9, recipients=9, invalid=0, duplicate=0, suppressed=0, batches=waves, segments=1, at_ms=0,
        by="", waves=tuple(Wave(3, (1,)) for _ in range(waves)), texts=texts,
    )  # fmt: skip


def decided(wave: int, verdict: Literal["released", "halted"], *, by_person: bool = False) -> WaveDecided:
    return WaveDecided(campaign="may", wave=wave, verdict=verdict, at_ms=1, by="x", by_person=by_person)


def state(*records: AnyRecord) -> tuple[int, int]:
    """(the last released wave, the wave that is halted or 0)."""
    campaigns = Campaigns()
    for record in records:
        campaigns.apply(0, record)
    found = campaigns.by_id["may"]
    assert (found.held(5) is not None) == (found.waves.halted is not None)
    return found.waves.released, found.waves.halted.wave if found.waves.halted is not None else 0


def test_the_launch_releases_the_first_wave_and_its_judgement_the_next_one() -> None:
    assert state(launched()) == (1, 0)
    assert state(launched(), decided(1, "released")) == (2, 0)
    assert state(launched(), decided(1, "released"), decided(2, "released")) == (3, 0)


def test_a_wave_is_released_only_after_those_before_it() -> None:
    assert state(launched(), decided(2, "released")) == (1, 0)


def test_a_campaign_without_waves_waits_for_nothing() -> None:
    assert state(launched(0)) == (0, 0)


def test_a_halted_wave_holds_the_campaign_until_a_person_releases_it() -> None:
    assert state(launched(), decided(1, "halted")) == (1, 1)
    assert state(launched(), decided(1, "halted"), decided(1, "released", by_person=True)) == (2, 0)


def test_a_person_outranks_the_conductor_and_its_halt_its_release_in_any_order() -> None:
    words: list[AnyRecord] = [
        launched(),
        decided(1, "released"),
        decided(1, "halted"),
        decided(1, "released", by_person=True),
    ]
    assert {state(*order) for order in permutations(words)} == {(2, 0)}
    assert {state(*order) for order in permutations(words[:3])} == {(1, 1)}


def test_a_person_halts_the_wave_that_is_under_way_and_releases_it() -> None:
    under_way: list[AnyRecord] = [launched(), decided(1, "released"), decided(2, "halted", by_person=True)]
    assert state(*under_way) == (2, 2)
    assert state(*under_way, decided(2, "released", by_person=True)) == (3, 0)


def test_the_last_wave_waits_for_the_decision_on_its_text() -> None:
    campaigns = Campaigns()
    campaigns.apply(0, launched(2, ("a", "b")))
    waves = campaigns.by_id["may"].waves
    assert (waves.released, waves.needs_text, waves.variant(1)) == (1, False, 1)
    campaigns.apply(1, decided(1, "released"))
    assert (waves.released, waves.needs_text) == (1, True)
    campaigns.apply(2, TextDecided(campaign="may", variant=1, at_ms=2, by="ann"))
    assert (waves.released, waves.needs_text) == (2, False)
    assert (waves.variant(DECIDED_LATER), waves.variant(0)) == (1, 0)


def test_what_a_person_released_is_remembered() -> None:
    campaigns = Campaigns()
    for record in (launched(), decided(1, "released", by_person=True), decided(2, "halted", by_person=True)):
        campaigns.apply(0, record)
    assert campaigns.by_id["may"].waves.judged_by_person == 1


def test_a_halt_of_the_wave_that_waits_for_its_text_alone_holds_the_campaign() -> None:
    waiting: list[AnyRecord] = [launched(2, ("a", "b")), decided(2, "halted", by_person=True), decided(1, "released")]
    assert state(*waiting) == (1, 2)
    assert state(*waiting, decided(2, "released", by_person=True)) == (1, 0)
