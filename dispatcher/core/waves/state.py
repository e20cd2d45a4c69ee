"""Which waves of a campaign may be sent, whether it is halted, and which text the last wave gets. Pure.

Wave 1 is released by the launch, the next one by the judgement of the one before. Nothing is sent of a halted campaign,
whichever wave is under way, until a person releases it. The last wave of a campaign with several texts also waits for
the decision on its text.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.records import DECIDED_LATER, Finding, Launched, TextDecided, Wave, WaveDecided


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The word about a wave that counts; the fields are those of `WaveDecided`."""

    wave: int
    verdict: Literal["released", "halted"]
    at_ms: int
    by: str
    by_person: bool = False
    why: Literal["covered", "waited", "found", ""] = ""
    recipients: int = 0
    settled: int = 0
    findings: tuple[Finding, ...] = ()


class WaveStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The waves of a launched campaign now. Waves 1 to `released` may be sent, unless wave `halted` (0: none) is bad.

    `texts` are compared, `text` is the index of the decided one; `needs_text`: the last wave waits for that decision
    alone. `judged_by_person`: the last wave that a person released, 0: none.
    """

    waves: tuple[Wave, ...]
    wait_ms: int
    released: int
    halted: int
    judged_by_person: int
    texts: tuple[str, ...]
    text: int | None
    needs_text: bool
    decisions: tuple[Decision, ...]

    @property
    def unreleased(self) -> int:
        """The recipients of the waves that may not be sent yet."""
        return sum(wave.recipients for wave in self.waves[self.released :])

    def of(self, wave: int) -> Decision | None:
        """The decision on this wave."""
        return next((decision for decision in self.decisions if decision.wave == wave), None)


class WaveState:
    """The decisions about one campaign's waves. They may be read before its launch, and in any order."""

    __slots__ = ("_conductor", "_launched", "_person", "halted", "released", "text")

    def __init__(self) -> None:
        self._launched: Launched | None = None
        self._person: dict[int, WaveDecided] = {}
        self._conductor: dict[int, WaveDecided] = {}
        self.text: TextDecided | None = None
        self.released = 0
        self.halted: WaveDecided | None = None

    def launched(self, record: Launched) -> None:
        """The launch that counts."""
        self._launched = record
        self._settle()

    def decided(self, record: WaveDecided) -> None:
        """A wave was judged."""
        if record.by_person:
            self._person[record.wave] = record
        elif record.verdict == "halted" or record.wave not in self._conductor:
            self._conductor[record.wave] = record
        self._settle()

    def text_decided(self, record: TextDecided) -> None:
        """The text of the last wave was decided."""
        self.text = record
        self._settle()

    def of(self, wave: int) -> WaveDecided | None:
        """The word about this wave that counts."""
        return self._person.get(wave) or self._conductor.get(wave)

    @property
    def judged_by_person(self) -> int:
        """The last wave that a person released: what happened up to then is no reason to halt; 0: none."""
        return max((wave for wave, record in self._person.items() if record.verdict == "released"), default=0)

    @property
    def needs_text(self) -> bool:
        """Whether the next wave waits only for the decision on its text."""
        launched = self._launched
        return (
            launched is not None and bool(launched.texts) and self.text is None and self._by_verdict() > self.released
        )

    @property
    def standing(self) -> WaveStanding | None:
        """Everything about its waves; None if it has none, or before its launch."""
        launched = self._launched
        if launched is None or not launched.waves:
            return None
        said = (self.of(wave) for wave in range(1, len(launched.waves) + 1))
        return WaveStanding(
            waves=launched.waves,
            wait_ms=launched.wave_wait_ms,
            released=self.released,
            halted=0 if self.halted is None else self.halted.wave,
            judged_by_person=self.judged_by_person,
            texts=launched.texts,
            text=None if self.text is None else self.text.variant,
            needs_text=self.needs_text,
            decisions=tuple(
                Decision(**{name: getattr(record, name) for name in Decision.__struct_fields__})
                for record in said
                if record is not None
            ),
        )

    def variant(self, asked: int) -> int:
        """The index of the text that a job with this variant gets."""
        if asked != DECIDED_LATER:
            return asked
        return 0 if self.text is None else self.text.variant

    def variant_of_batch(self, batch: int) -> int:
        """The index of the text that the recipients of this batch get."""
        for wave in () if self._launched is None else self._launched.waves:
            for variant, batches in enumerate(wave.batches):
                if batch < batches:
                    return variant if len(wave.batches) > 1 else self.variant(DECIDED_LATER)
                batch -= batches
        return 0

    def _by_verdict(self) -> int:
        """How many waves the judgements release."""
        waves = 0 if self._launched is None else len(self._launched.waves)
        released = min(1, waves)
        while released < waves and (said := self.of(released)) is not None and said.verdict == "released":
            released += 1
        return released

    def _settle(self) -> None:
        if self._launched is None:
            return
        by_verdict = self._by_verdict()
        waits = by_verdict == len(self._launched.waves) and self._launched.texts and self.text is None
        self.released = by_verdict - 1 if waits else by_verdict
        halts = (self.of(wave) for wave in range(1, by_verdict + 1))
        self.halted = next((said for said in halts if said is not None and said.verdict == "halted"), None)
