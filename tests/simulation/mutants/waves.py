"""Deliberate mistakes about waves: something would be sent too early, or in spite of a halt, or with another text."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.campaigns import Campaign
from dispatcher.core.lane.state import LaneState
from dispatcher.core.lane.work import CampaignWork
from dispatcher.core.waves.state import WaveState
from schemas.records import WaveDecided


def waves_do_not_wait(patch: MonkeyPatch) -> None:
    _sends_further_waves(patch, 99)


def a_job_of_the_next_wave_is_sent_with_the_one_before(patch: MonkeyPatch) -> None:
    _sends_further_waves(patch, 1)


def a_halt_is_not_seen(patch: MonkeyPatch) -> None:
    patch.setattr(Campaign, "held", lambda self, now_ms: self.schedule.hold(now_ms))


def the_conductor_outranks_a_person(patch: MonkeyPatch) -> None:
    def of(self: WaveState, wave: int) -> WaveDecided | None:
        return self._conductor.get(wave) or self._person.get(wave)

    patch.setattr(WaveState, "of", of)


def a_new_owner_does_not_know_the_waves_of_its_jobs(patch: MonkeyPatch) -> None:
    original = LaneState.load.__func__  # type: ignore[attr-defined]

    def load(cls: type[LaneState], checkpoint: Any, *rest: Any) -> LaneState:
        state: LaneState = original(cls, checkpoint, *rest)
        for job in state.jobs.values():
            if job.job is not None:
                job.job = msgspec.structs.replace(job.job, wave=0)
        return state

    patch.setattr(LaneState, "load", classmethod(load))


def the_last_wave_does_not_wait_for_its_text(patch: MonkeyPatch) -> None:
    original = WaveState._settle

    def settle(self: WaveState) -> None:
        original(self)
        if self._launched is not None:
            self.released = self._by_verdict()

    patch.setattr(WaveState, "_settle", settle)


def everybody_gets_the_first_text(patch: MonkeyPatch) -> None:
    patch.setattr(WaveState, "variant", lambda self, asked: 0)


def _sends_further_waves(patch: MonkeyPatch, further: int) -> None:
    head, wanted, is_released = CampaignWork.head, CampaignWork.wanted, CampaignWork.is_released
    patch.setattr(CampaignWork, "head", lambda self, now_s, loaded, wave: head(self, now_s, loaded, wave + further))
    patch.setattr(CampaignWork, "wanted", lambda self, now_s, n, wave: wanted(self, now_s, n, wave + further))
    patch.setattr(CampaignWork, "is_released", lambda self, wave: is_released(self, wave + further))


TEXT_MUTANTS: Final = (the_last_wave_does_not_wait_for_its_text, everybody_gets_the_first_text)
WAVE_MUTANTS: Final = (
    waves_do_not_wait,
    a_job_of_the_next_wave_is_sent_with_the_one_before,
    a_halt_is_not_seen,
    the_conductor_outranks_a_person,
    a_new_owner_does_not_know_the_waves_of_its_jobs,
    *TEXT_MUTANTS,
)
