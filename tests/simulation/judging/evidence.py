"""The search for evidence beside the lanes, in virtual time; and a person who asks the vendor.

The joiner's fold of the journal and the search that ships (dispatcher/core/results); what is made up is where the rows
lie. The judge knows what the vendor took: whatever is resolved as sent was, and what a report proves is resolved.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from consumers.results.evidence_search import BY, LOOK_EVERY_S, decision, message_decision
from dispatcher.core.ownership import Ownership
from dispatcher.core.results.evidence import Candidate, LateAnswer, Search, UnexplainedId, conclude, requests_of
from dispatcher.core.results.journal import JoinedChunk, JoinedJob, JournalFold
from dispatcher.core.results.message_evidence import MessageProof, MessageSearch
from dispatcher.core.results.places import chunk_id, chunk_of, intent_of, lane_place
from dispatcher.core.results.recipient_ids import RecipientIds
from schemas.records import Decided, Job, Moved, Reports, Resolved, ResolvedAs
from schemas.states import State
from tests.simulation.judging.recall import remembers
from tests.simulation.launches import FIRST_NUMBER
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import NOT_OURS, SimVendor
from tests.simulation.world.world import ACCOUNT, World
from tests.store.joined_history import rows_of

AGAIN_S: Final = 60.0
READ_S: Final = 1.0
"""How long a process that is awake takes to read what lies in its inbox, at most."""

ASKED_AFTER_S: Final = 20.0
"""A person decides no earlier: then all requests of the chunk have arrived."""

EVIDENCE_SHARE: Final = 0.5
UNCLEAR_SHARE: Final = 0.6


class Books:
    """What the joiner knows of the journal (a Ledger in memory) and of the reports."""

    def __init__(self, log: SimLog) -> None:
        self._log = log
        self._fold = JournalFold(0, Ownership(None), {})
        self._positions = {"lanes": 0, "reports": 0}
        self.chunks: dict[int, JoinedChunk] = {}
        self._pieces: defaultdict[int, dict[int, JoinedChunk]] = defaultdict(dict)
        self.of_id: dict[str, list[JoinedChunk]] = {}
        self.reported: dict[str, set[int]] = {}
        self.given: set[str] = set()  # the ids that answers gave to single recipients
        self._named: set[tuple[int, int]] = set()  # (chunk, position in its batch) of the recipients that have one

    def read(self) -> None:
        """Fold what is new: reports first, so that the journal is never behind them."""
        for record in self._new("reports"):
            assert isinstance(record, Reports)
            for vendor_id, number, state, *_ in rows_of(record):
                if state and not vendor_id.startswith(NOT_OURS):  # another program on the account is a known weak spot
                    self.reported.setdefault(vendor_id, set()).add(number)
        for record in self._new("lanes"):
            self._fold.apply(self._positions["lanes"] - 1, record, self)

    def _new(self, topic: str) -> Iterator[Any]:
        records = self._log.topics[topic]
        while self._positions[topic] < len(records):
            self._positions[topic] += 1
            yield records[self._positions[topic] - 1]

    def unknown(self) -> list[JoinedChunk]:
        """The chunks that are unknown now."""
        return [chunk for chunk in self._fold.open.values() if chunk.state == State.UNKNOWN and not chunk.vendor_id]

    def candidates(self) -> list[Candidate]:
        """Chunks whose own vendor id is not known, as the store finds them."""
        return requests_of([self.candidate(chunk) for chunk in self.chunks.values() if self._may_be(chunk)])

    def late(self) -> list[LateAnswer]:
        """Unknown chunks of which an earlier attempt was accepted after all."""
        answered = [c for c in self.chunks.values() if c.state == State.QUEUED and c.heard and c.vendor_id]
        return [
            LateAnswer(self.candidate(chunk), before.vendor_id)
            for chunk in self.unknown()
            for before in answered
            if before.batch == chunk.batch and before.start <= chunk.start and chunk.end <= before.end
        ]

    def unexplained(self) -> list[UnexplainedId]:
        """The ids that no answer told, with the numbers that no chunk of this id holds."""
        found = []
        for vendor_id, numbers in self.reported.items():
            named = self.of_id.get(vendor_id, [])
            left = sorted(numbers - {number for chunk in named for number in self.numbers_of(chunk.batch, chunk)})
            if left and not any(chunk.heard for chunk in named):
                found.append(
                    UnexplainedId(
                        vendor_id=vendor_id, numbers=np.array(left, np.int64), reports=len(left), first_offset=0,
                        first_ms=0, named=tuple(requests_of([self.candidate(chunk) for chunk in named])),
                    )
                )  # fmt: skip
        return found

    def nameless(self) -> dict[int, list[Candidate]]:
        """By batch, the pieces in which recipients may have an id of their own that is not known."""
        found: dict[int, list[Candidate]] = {}
        for chunk in self.chunks.values():
            has_all = chunk.state == State.ACCEPTED and (chunk_of(chunk.id), chunk.start) in self._named
            if self._may_be(chunk) and not has_all:
                found.setdefault(chunk.batch, []).append(self.candidate(chunk))
        return found

    def named_of(self, chunk: Candidate) -> NDArray[np.bool_]:
        """Which recipients of it have an id of their own."""
        positions = range(chunk.start, chunk.start + chunk.count)
        return np.array([(chunk_of(chunk.id), at) in self._named for at in positions])

    def candidate(self, chunk: JoinedChunk) -> Candidate:
        """The chunk as the search sees it; all clocks agree here."""
        campaign = self._log.topics["jobs"][chunk.batch].campaign
        return Candidate(
            id=chunk.id, batch=chunk.batch, campaign=campaign, start=chunk.start, count=chunk.count,
            state=State(chunk.state), at_ms=0,
        )  # fmt: skip

    def numbers_of(self, batch: int, chunk: JoinedChunk | None = None) -> range:
        """Of a batch (here: the offset of its job), or of a chunk of it."""
        job = self._log.topics["jobs"][batch]
        first = FIRST_NUMBER + job.offset
        return range(first, first + job.count) if chunk is None else range(first + chunk.start, first + chunk.end)

    def _may_be(self, chunk: JoinedChunk) -> bool:
        if chunk.vendor_id:
            return chunk.state == State.ACCEPTED and not chunk.heard and self._returned(chunk)
        if chunk.state == State.QUEUED:
            return bool(chunk.since_ms)
        return chunk.state in (State.IN_FLIGHT, State.ACCEPTED, State.UNKNOWN)

    def _returned(self, chunk: JoinedChunk) -> bool:
        """Whether an attempt of some of its recipients was returned while it was unknown, and has no id."""
        return any(
            other.batch == chunk.batch and other.start < chunk.end and chunk.start < other.end
            for other in self.chunks.values()
            if other.state == State.QUEUED and other.since_ms and not other.vendor_id
        )

    # --- Ledger ------------------------------------------------------------------------------------------------------

    def job(self, job: int) -> JoinedJob | None:
        offset = job // lane_place(0, 1)
        record = self._log.topics["jobs"][offset]
        assert isinstance(record, Job)
        return JoinedJob(job, record.campaign, record.attempt, record.account, offset, record.number)

    def chunk(self, chunk: int) -> JoinedChunk | None:
        return self.chunks.get(chunk)

    def pieces(self, chunk: int) -> list[JoinedChunk]:
        return [piece for _, piece in sorted(self._pieces[chunk].items())]

    def opened(self, chunk: JoinedChunk) -> None:
        self._keep(chunk)

    def divided(self, chunk: JoinedChunk, rest: JoinedChunk) -> None:
        self._keep(rest)

    def _keep(self, piece: JoinedChunk) -> None:
        self.chunks[piece.id] = self._pieces[chunk_of(piece.id)][piece.id] = piece

    def named(self, chunk: JoinedChunk, vendor_id: str, ids: RecipientIds | None, place: int) -> None:
        if ids is None:
            self.of_id.setdefault(vendor_id, []).append(chunk)
            return
        texts = ids.all_texts()
        self.given.update(texts)
        for at in range(chunk.count):
            if any(texts[at * ids.parts : (at + 1) * ids.parts]):
                self._named.add((chunk_of(chunk.id), chunk.start + at))

    def moved(self, chunk: JoinedChunk, before: State) -> None: ...

    def changed(self, chunk: JoinedChunk) -> None: ...

    def contested(self, chunk: JoinedChunk) -> None: ...

    def sent(self, chunk: JoinedChunk, sent_ms: int) -> None: ...

    def moved_away(self, job: JoinedJob, moved: Moved) -> None: ...

    def odd(self, what: str) -> None: ...


def is_searched(seed: int) -> bool:
    """Whether evidence is looked for in this history, by the joiner or in what the vendor remembers."""
    return remembers(seed) or random.Random(f"{seed}, evidence").random() < EVIDENCE_SHARE


class Evidence:
    """A joiner that looks for evidence every LOOK_EVERY_S, and a person who resolves what is held, truthfully."""

    def __init__(self, world: World, log: SimLog, vendor: SimVendor) -> None:
        self.world, self.log, self.vendor = world, log, vendor
        self.books = Books(log)
        self.known_s: dict[int, float] = {}  # intent -> since when a decision or a report says what became of it
        self._told: dict[int, float] = {}
        self._seen: dict[int, float] = {}
        self._rng = random.Random(f"{world.seed}, evidence")
        self.acts = self._rng.random() < EVIDENCE_SHARE and not vendor.memory.acts
        log.listeners.append(self._written)
        if self.acts:
            world.after(LOOK_EVERY_S, self._look)

    def unclear(self, war_s: float) -> None:
        """In some histories the vendor's answers do not say what happened for a while, with some requests taken."""
        if (self.acts or self.vendor.memory.acts) and self._rng.random() < UNCLEAR_SHARE:
            start_s = self.world.now_s + self._rng.random() * war_s / 3
            self.vendor.unclear_s = (start_s, start_s + war_s * self._rng.uniform(0.3, 0.9))

    def left(self) -> tuple[str, int] | None:
        """An unknown chunk at the end that a report says was taken: what is wrong, and its intent."""
        self.books.read()
        if self.acts and self.vendor.answers_in_runs:
            return next(
                (
                    (f"{number} is unknown, though a report says it was taken", intent_of(chunk.id)[1])
                    for chunk, number in self._reported_alone()
                ),
                None,
            )
        for chunk in self.books.unknown() if self.acts else ():
            if vendor_id := self._taken_as(chunk):
                _, intent = intent_of(chunk.id)
                return f"intent {intent} is unknown, though reports under {vendor_id} say it was taken", intent
        return None

    def _taken_as(self, chunk: JoinedChunk) -> str:
        """The id under which reports say that these recipients were texted, by whoever knows all that the vendor took.

        "" if there is none.
        """
        numbers = set(self.books.numbers_of(chunk.batch, chunk))
        for intent, vendor_id in self.vendor.took.items():
            if numbers.isdisjoint(self.books.reported.get(vendor_id, ())):
                continue
            if any(
                taken.batch == chunk.batch and taken.start <= chunk.start and chunk.end <= taken.end
                for taken in self.books.pieces(chunk_id(0, intent))
                if taken.state != State.SUPPRESSED
            ):
                return vendor_id
        return ""

    def _look(self) -> None:
        self.world.after(LOOK_EVERY_S, self._look)
        self.books.read()
        if self.vendor.answers_in_runs:
            self._search_messages()
            self._ask_of_each()
            return
        if self.books.unknown():
            self._search()
            self._ask()
        for chunk in self.books.unknown():
            if self._taken_as(chunk):
                self.known_s.setdefault(intent_of(chunk.id)[1], self.world.now_s)

    def _search(self) -> None:
        candidates, search = self.books.candidates(), Search(self.books.unexplained())
        unclear = {candidate.batch for candidate in candidates if candidate.state is State.UNKNOWN}
        for batch in sorted({candidate.batch for candidate in candidates}, key=lambda batch: batch not in unclear):
            numbers = np.array(self.books.numbers_of(batch), np.int64)
            search.look(numbers, [candidate for candidate in candidates if candidate.batch == batch])
        for proof in conclude(search.traces(), self.books.late()):
            if self._told.get(proof.chunk.id, float("-inf")) + AGAIN_S <= self.world.now_s:
                self._told[proof.chunk.id] = self.world.now_s
                self._decide(decision(ACCOUNT, proof, 0))

    def _ask(self) -> None:
        """A person asks the vendor about what its campaign's policy holds, and says what was not taken."""
        for chunk in self.books.unknown():
            since_s = self._seen.setdefault(chunk.id, self.world.now_s)
            _, intent = intent_of(chunk.id)
            if self.world.now_s - since_s >= ASKED_AFTER_S and intent not in self.vendor.took:
                self._seen[chunk.id] = self.world.now_s
                campaign = self.books.candidate(chunk).campaign
                self._decide(
                    Decided(
                        account=ACCOUNT, campaign=campaign, intents=(intent,), verdict=ResolvedAs.NOT_SENT, at_ms=0,
                        by="li@desk",
                    )
                )  # fmt: skip

    def _search_messages(self) -> None:
        """A report proves one message, where every recipient has an id of its own."""
        search = MessageSearch(
            [
                UnexplainedId(vendor_id=vendor_id, numbers=np.array(sorted(numbers), np.int64), reports=1,
                              first_offset=0, first_ms=0, named=())
                for vendor_id, numbers in self.books.reported.items()
                if vendor_id not in self.books.given
            ]
        )  # fmt: skip
        for batch, candidates in self.books.nameless().items():
            search.look(np.array(self.books.numbers_of(batch), np.int64), candidates, self.books.named_of)
        together: dict[int, list[MessageProof]] = {}
        for proof in search.proofs(self.vendor.segments.__getitem__):
            if self._told.get(proof.place, float("-inf")) + AGAIN_S <= self.world.now_s:
                self._told[proof.place] = self.world.now_s
                together.setdefault(chunk_of(proof.place), []).append(proof)
        for proofs in together.values():
            self._decide(message_decision(ACCOUNT, proofs, 0))

    def _ask_of_each(self) -> None:
        """A person says of unknown recipients of a chunk, one by one, which were not taken."""
        for chunk in self.books.unknown():
            since_s = self._seen.setdefault(chunk.id, self.world.now_s)
            if self.world.now_s - since_s < ASKED_AFTER_S:
                continue
            self._seen[chunk.id] = self.world.now_s
            numbers = self.books.numbers_of(chunk.batch, chunk)
            ranges = tuple(
                (chunk.start - chunk.first + at, 1)
                for at, number in enumerate(numbers)
                if not self.vendor.taken.get(b"%d" % number)
            )
            if ranges:
                campaign = self.books.candidate(chunk).campaign
                self._decide(
                    Decided(
                        account=ACCOUNT, campaign=campaign, intents=(intent_of(chunk.id)[1],),
                        verdict=ResolvedAs.NOT_SENT, at_ms=0, by="li@desk", ranges=ranges,
                    )
                )  # fmt: skip

    def _reported_alone(self) -> Iterator[tuple[JoinedChunk, int]]:
        """The unknown recipients that reports say were taken, under ids that no answer gave."""
        told = {
            number
            for vendor_id, numbers in self.books.reported.items()
            for number in numbers
            if vendor_id not in self.books.given
        }
        for chunk in self.books.unknown():
            yield from ((chunk, number) for number in self.books.numbers_of(chunk.batch, chunk) if number in told)

    def _decide(self, decided: Decided) -> None:
        [intent] = decided.intents
        self.world.say("%s: %d was %s", decided.by, intent, decided.verdict, intent=intent)
        if not decided.ranges:
            self.known_s.setdefault(intent, self.world.now_s)
        self.log.put("jobs", [decided])

    def _written(self, topic: str, offset: int, record: Any) -> None:
        """Whatever is resolved as sent because of evidence, or of the vendor's history, was sent."""
        if not isinstance(record, Resolved) or record.by not in (BY, "history"):
            return
        intent = self.log.topics["lanes"][record.intent]
        first = FIRST_NUMBER + self.log.topics["jobs"][intent.job].offset + intent.start
        ranges = record.ranges or ((0, intent.count),)
        left_out = {at for start, count in intent.left_out for at in range(start, start + count)}
        places = {at for start, count in ranges for at in range(start, start + count)}
        numbers = [first + at for at in sorted(places - left_out)]
        never = [number for number in numbers if not self.vendor.taken.get(b"%d" % number)]
        if never:
            raise self.world.broken(f"{never[0]} counts as sent by evidence, and never was", [record.intent])
