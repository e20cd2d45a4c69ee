"""Which waves of a campaign may be sent, whether it is halted, and which text the last wave gets. Pure.

Wave 1 is released by the launch, the next one by the judgement of the one before. Nothing is sent of a halted campaign,
whichever wave is under way, until a person releases it. The last wave of a campaign with several texts also waits for
the decision on its text.
"""

from __future__ import annotations

from schemas.records import DECIDED_LATER, Launched, TextDecided, WaveDecided


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

    def variant(self, asked: int) -> int:
        """The index of the text that a job with this variant gets."""
        if asked != DECIDED_LATER:
            return asked
        return 0 if self.text is None else self.text.variant

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
        released, waves = self._by_verdict(), len(self._launched.waves)
        if released == waves and self._launched.texts and self.text is None:
            released -= 1
        self.released = released
        halts = (self.of(wave) for wave in range(1, released + 1))
        self.halted = next((said for said in halts if said is not None and said.verdict == "halted"), None)
