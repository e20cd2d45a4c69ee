"""Deliberate mistakes with personalised campaigns; each is caught by some history (test_histories.py)."""

from __future__ import annotations

from typing import Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.personal import ChunkTexts, Personal


def a_chunk_goes_on_where_the_text_changes(patch: MonkeyPatch) -> None:
    patch.setattr(Personal, "cut", lambda self, start, end: end - start)


def all_of_a_chunk_get_the_first_ones_text(patch: MonkeyPatch) -> None:
    patch.setattr(Personal, "one_text", lambda self, start, count: True)


def a_chunk_gets_the_texts_of_the_batchs_beginning(patch: MonkeyPatch) -> None:
    patch.setattr(Batch, "texts", lambda self, start, count: self._personal and ChunkTexts(self._personal, 0, count))


def a_long_text_is_billed_as_one(patch: MonkeyPatch) -> None:
    patch.setattr(Personal, "parts", lambda self, start, count: count)


def what_breaks_the_grammar_goes_with_the_others(patch: MonkeyPatch) -> None:
    def cut(self: Personal, start: int, end: int) -> int:
        most = self._batch_limits.recipients_max if self._batch_limits is not None else 1
        return min(end, max(self._run_end(start), start + most)) - start

    patch.setattr(Personal, "cut", cut)


PERSONAL_MUTANTS: Final = (
    a_chunk_goes_on_where_the_text_changes,
    all_of_a_chunk_get_the_first_ones_text,
    a_chunk_gets_the_texts_of_the_batchs_beginning,
    a_long_text_is_billed_as_one,
    what_breaks_the_grammar_goes_with_the_others,
)
