"""Deliberate mistakes that long connections make possible, each of which the histories of links must catch."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.cmpp import link as cmpp_link
from dispatcher.cmpp.link import Link, SentFrames, State
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.owner import Owner
from dispatcher.drivers.link import progress as link_progress
from dispatcher.drivers.link.chunk import ChunkSend
from dispatcher.drivers.link.groups import GroupSend
from dispatcher.drivers.link.progress import ANSWERED, SENT, UNSENT, Progress
from dispatcher.vendors.cmpp.vendor import Cmpp
from tests.simulation import catching
from tests.simulation.links.gateway import WINDOW, group_of, loss_of, odd_of, resend_of
from tests.simulation.links.history import connections_of, limit_of, parts_of
from tests.simulation.links.process import Marks

Mutant = Callable[[MonkeyPatch], None]


def an_answer_frees_no_slot(patch: MonkeyPatch) -> None:
    real = Link._answered

    def answered(link: Link, sequences: Any, *rest: Any) -> None:
        kept = {sequence: link._open[sequence] for sequence in sequences if sequence in link._open}
        real(link, sequences, *rest)
        link._open.update(kept)

    patch.setattr(Link, "_answered", answered)


def answers_are_matched_by_their_order(patch: MonkeyPatch) -> None:
    real = Link._answered

    def answered(link: Link, sequences: Any, *rest: Any) -> None:
        real(link, [*link._open][: len(sequences)] + [*sequences][len(link._open) :], *rest)

    patch.setattr(Link, "_answered", answered)


def a_frame_is_sent_again_on_another_connection(patch: MonkeyPatch) -> None:
    links: weakref.WeakSet[Link] = weakref.WeakSet()
    made, timed_out = Link.__init__, Link._time_out

    def init(link: Link, *rest: Any) -> None:
        made(link, *rest)
        links.add(link)

    def time_out(link: Link, now_s: float) -> Any:
        written = len(link._output)
        events = timed_out(link, now_s)
        others = [each for each in links if each is not link and each.state is State.OPEN]
        if others:
            others[0]._output += link._output[written:]
            del link._output[written:]
        return events

    patch.setattr(Link, "__init__", init)
    patch.setattr(Link, "_time_out", time_out)


def a_frame_that_is_sent_again_is_not_the_same(patch: MonkeyPatch) -> None:
    real = SentFrames.frame

    def frame(sent: SentFrames, sequence: int) -> bytes:
        return real(sent, sequence)[:12] + real(sent, sent.first)[12:]

    patch.setattr(SentFrames, "frame", frame)


def a_waiting_sequence_id_is_used_again(patch: MonkeyPatch) -> None:
    patch.setattr(Link, "_reserve", lambda link, count: range(3, 3 + count))


def result_3_after_a_repetition_is_a_refusal(patch: MonkeyPatch) -> None:
    real = Cmpp.answer
    patch.setattr(Cmpp, "answer", lambda vendor, result, transmissions: real(vendor, result, 1))


def the_window_is_counted_for_the_account(patch: MonkeyPatch) -> None:
    def room(link: Link) -> int:
        return 2 * WINDOW - link.outstanding if link.state is State.OPEN else 0

    patch.setattr(Link, "room", property(room))


def late_answers_are_ignored(patch: MonkeyPatch) -> None:
    patch.setattr(cmpp_link, "GIVEN_UP_MAX", 0)


def a_late_answer_is_about_the_first_recipient(patch: MonkeyPatch) -> None:
    real = Progress.answer

    def answer(
        progress: Progress, unsent: Verdict, unanswered: Verdict, first: int = 0, count: int | None = None
    ) -> Any:
        return real(progress, unsent, unanswered, 0, count)

    patch.setattr(Progress, "answer", answer)


def the_unknown_of_a_broken_link_returns_to_the_queue(patch: MonkeyPatch) -> None:
    real = ChunkSend.broken

    def broken(chunk: ChunkSend, why: str) -> None:
        states = chunk.progress.states
        states[:] = bytes(states).replace(bytes((SENT,)), bytes((UNSENT,)))
        real(chunk, why)

    patch.setattr(ChunkSend, "broken", broken)


def what_had_no_answer_in_time_returns_to_the_queue(patch: MonkeyPatch) -> None:
    def unanswered(progress: Progress, frames: Any) -> None:
        progress.open -= len(frames)
        for frame in frames:
            progress.states[frame] = UNSENT

    patch.setattr(Progress, "unanswered", unanswered)


def a_recipient_is_taken_when_one_part_is(patch: MonkeyPatch) -> None:
    def combined(verdicts: Any) -> Verdict:
        taken: Verdict = next((each for each in verdicts if each.kind is Kind.ACCEPTED), verdicts[0])
        return taken

    patch.setattr(link_progress, "combined", combined)


def a_recipient_returns_to_the_queue_when_one_part_does(patch: MonkeyPatch) -> None:
    real = link_progress.combined

    def combined(verdicts: Any) -> Verdict:
        throttled = [each for each in verdicts if each.kind in (Kind.THROTTLED, Kind.NOT_SENT)]
        return throttled[0] if throttled else real(verdicts)

    patch.setattr(link_progress, "combined", combined)


def the_parts_of_a_recipient_leave_on_two_connections(patch: MonkeyPatch) -> None:
    real = ChunkSend._send_again
    links: weakref.WeakSet[Link] = weakref.WeakSet()
    made = Link.__init__

    def init(link: Link, *rest: Any) -> None:
        made(link, *rest)
        links.add(link)

    def send_again(chunk: ChunkSend, link: Link, *rest: Any) -> None:
        others = [each for each in links if each is not link and each.room]
        real(chunk, others[0] if others else link, *rest)

    patch.setattr(Link, "__init__", init)
    patch.setattr(ChunkSend, "_send_again", send_again)


def a_part_that_waits_to_leave_again_is_queued_again(patch: MonkeyPatch) -> None:
    real = Progress._to_leave_again

    def to_leave_again(progress: Progress, frames: Any) -> list[int]:
        again = real(progress, frames)
        for frame in again:
            progress.states[frame] = ANSWERED
        return again

    patch.setattr(Progress, "_to_leave_again", to_leave_again)


def a_paused_campaign_is_granted_on(patch: MonkeyPatch) -> None:
    patch.setattr(Owner, "_refusal", lambda owner, lane, sending, now_s, now_ms: "deposed" if owner.deposed else "")


def a_deposed_owner_grants_on(patch: MonkeyPatch) -> None:
    real = Owner._refusal

    def refusal(owner: Owner, lane: Any, sending: Any, now_s: float, now_ms: int) -> str:
        deposed, owner.deposed = owner.deposed, False
        try:
            return "" if deposed else real(owner, lane, sending, now_s, now_ms)
        finally:
            owner.deposed = deposed

    patch.setattr(Owner, "_refusal", refusal)


def a_frame_is_sent_again_though_the_account_says_never(patch: MonkeyPatch) -> None:
    patch.setattr(Link, "_transmissions_max", property(lambda link: link._settings.transmissions))


def a_group_counts_as_one_message(patch: MonkeyPatch) -> None:
    real = GroupSend._granted

    def granted(chunk: GroupSend, messages: int, resume: Any, *, started: bool) -> Any:
        found = real(chunk, 1, resume, started=started)
        return found and (messages if found[0] else 0, found[1])

    patch.setattr(GroupSend, "_granted", granted)


def the_first_number_of_a_group_alone_is_marked(patch: MonkeyPatch) -> None:
    real = Progress.wrote_group

    def wrote_group(progress: Progress, frames: Any) -> None:
        real(progress, frames)
        for frame in [*frames][1:]:
            progress.states[frame] = UNSENT

    patch.setattr(Progress, "wrote_group", wrote_group)


def a_group_without_an_answer_is_unknown_for_its_first_number(patch: MonkeyPatch) -> None:
    def unanswered(chunk: GroupSend, frames: Any) -> None:
        for frame in frames:
            first, *others = chunk._frames(frame)
            chunk.progress.unanswered([first])
            chunk.progress.not_taken(others)

    patch.setattr(GroupSend, "unanswered", unanswered)


def marks_are_written_after_the_write(patch: MonkeyPatch) -> None:
    written: list[tuple[Any, int]] = []  # the column and its first frame of every write, the newest last
    sent, take = ChunkSend.send, Marks.take_of_the_dead

    def send(chunk: ChunkSend, *rest: Any) -> bool:
        before = chunk.progress.sent
        done = sent(chunk, *rest)
        if chunk.progress.sent > before:
            written.append((chunk.progress.states, before))
        return done

    def take_of_the_dead(marks: Marks) -> Any:
        found = take(marks)
        for states in (slot.columns.states for left in found for slot in left.slots.values() if slot.columns):
            last = next((start for column, start in reversed(written) if column is states), 0)
            for frame in range(last, len(states)):
                states[frame] = UNSENT if states[frame] == SENT else states[frame]
        return found

    patch.setattr(ChunkSend, "send", send)
    patch.setattr(Marks, "take_of_the_dead", take_of_the_dead)


def a_grant_is_counted_once_for_all_its_messages(patch: MonkeyPatch) -> None:
    real = Owner.grant

    def grant(
        owner: Owner, intent: int, account: str, messages: int, now_s: float, now_ms: int, *, started: bool = False
    ) -> Any:
        found = real(owner, intent, account, min(messages, 1), now_s, now_ms, started=started)
        return found and type(found)(messages if found.messages else 0, found.ticket)

    patch.setattr(Owner, "grant", grant)


MUTANTS: Final[tuple[Mutant, ...]] = (
    an_answer_frees_no_slot,
    answers_are_matched_by_their_order,
    a_frame_is_sent_again_on_another_connection,
    a_frame_that_is_sent_again_is_not_the_same,
    a_waiting_sequence_id_is_used_again,
    result_3_after_a_repetition_is_a_refusal,
    the_window_is_counted_for_the_account,
    late_answers_are_ignored,
    a_late_answer_is_about_the_first_recipient,
    the_unknown_of_a_broken_link_returns_to_the_queue,
    what_had_no_answer_in_time_returns_to_the_queue,
    a_recipient_is_taken_when_one_part_is,
    a_recipient_returns_to_the_queue_when_one_part_does,
    the_parts_of_a_recipient_leave_on_two_connections,
    a_part_that_waits_to_leave_again_is_queued_again,
    a_paused_campaign_is_granted_on,
    a_deposed_owner_grants_on,
    a_frame_is_sent_again_though_the_account_says_never,
    a_group_counts_as_one_message,
    the_first_number_of_a_group_alone_is_marked,
    a_group_without_an_answer_is_unknown_for_its_first_number,
    marks_are_written_after_the_write,
    a_grant_is_counted_once_for_all_its_messages,
)


def _has_parts(seed: int) -> bool:
    return max(parts_of(seed)) > 1


def _is_odd(seed: int) -> bool:
    return _has_parts(seed) and odd_of(seed) == 0.3


def _has_connections(seed: int) -> bool:
    return connections_of(seed) > 1


def _loses(seed: int) -> bool:
    return loss_of(seed) == 0.02


def _has_groups(seed: int) -> bool:
    return group_of(seed) > 1


def _has_a_limit(seed: int) -> bool:
    return limit_of(seed) is not None


TELLING: Final[dict[Mutant, Callable[[int], bool]]] = {
    late_answers_are_ignored: _loses,
    a_late_answer_is_about_the_first_recipient: _loses,
    a_frame_is_sent_again_on_another_connection: _has_connections,
    a_recipient_is_taken_when_one_part_is: _has_parts,
    the_parts_of_a_recipient_leave_on_two_connections: lambda seed: _is_odd(seed) and _has_connections(seed),
    a_part_that_waits_to_leave_again_is_queued_again: lambda seed: _is_odd(seed) and limit_of(seed) in (40, 100),
    a_recipient_returns_to_the_queue_when_one_part_does: _is_odd,
    a_paused_campaign_is_granted_on: _has_a_limit,
    a_grant_is_counted_once_for_all_its_messages: _has_a_limit,
    a_frame_is_sent_again_though_the_account_says_never: lambda seed: _loses(seed) and resend_of(seed) == "never",
    a_group_counts_as_one_message: lambda seed: _has_groups(seed) and limit_of(seed) in (40, 100),
    a_group_without_an_answer_is_unknown_for_its_first_number: lambda seed: _has_groups(seed) and _loses(seed),
}
"""What a history must contain to show a mistake."""


def seeds_of(mutant: Mutant) -> list[int]:
    """The histories to look for it in."""
    return catching.seeds_of(mutant, TELLING.get(mutant, lambda seed: True))
