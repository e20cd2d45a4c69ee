"""What of a demo does not add up: the list as it was made against the launch, the equation, the vendor's totals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dispatcher.store.port import CampaignView


def their_delivered(totals: Mapping[str, Any], delivered: Collection[str]) -> int:
    """How many the vendor says were delivered."""
    return sum(count for status, count in totals["statuses"].items() if status in delivered)


def check_counts(
    views: Sequence[CampaignView], made: Mapping[str, int], big: str, totals: Mapping[str, Any], theirs: int
) -> Iterator[str]:
    """What does not add up: the list as it was made against the launch, the equation, the vendor's totals and its
    delivered ones (`theirs`).
    """
    for view in views:
        if not view.counts.balanced:
            yield f"{view.id}: the balance equation does not hold: {view.counts.line(zeros=True)}"
        if view.counts.open:
            yield f"{view.id}: {view.counts.open:,} recipients have no final word: {view.counts.line()}"
    counts = {view.id: view.counts for view in views}[big]
    ours = {term: int(getattr(counts, term)) for term in made}
    if ours != made:
        yield f"{big}: the list was made with {made}, the launch counted {ours}"
    if totals["double_texts"]:
        yield f"the vendor counts {totals['double_texts']:,} double texts"
    if totals["windows_over_limit"]:
        yield f"the vendor counts {totals['windows_over_limit']:,} windows over the flow limit"
    delivered = sum(view.counts.delivered for view in views)
    if delivered != theirs:
        yield f"we count {delivered:,} delivered, the vendor {theirs:,}"
