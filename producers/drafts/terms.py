"""The terms of a draft: a launch's request without its lists, as JSON on the log, and back.

Only what differs from the defaults is written, so a field that a later release adds changes no draft.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import fields

from dispatcher.service.campaigns.launching import LaunchRequest

_OF_LISTS: Final = frozenset(
    {
        *("numbers", "more_lists", "column", "sheet", "header_row", "hidden_rows", "encoding"),
        *("suppress", "suppress_column", "suppress_sheet", "exclude", "exclude_column", "exclude_sheet"),
    }
)
_OF_A_TEST: Final = ("route", "unknown", "options", "extno", "kind", "frames", "campaign_class")


def terms_of(request: LaunchRequest) -> bytes:
    """The request's terms."""
    terms: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        if field.name in _OF_LISTS or field.name == "id" or value == default:
            continue
        terms[field.encode_name] = os.path.abspath(value) if field.name == "frames" else value
    return msgspec.json.encode(terms, order="deterministic")


def request_of(terms: bytes, campaign: str, lists: Sequence[Any], by: str) -> LaunchRequest:
    """The request to launch this draft, whose lists are read from the log, ordered by this person."""
    first, *more = lists
    written, hints = msgspec.json.decode(terms, type=dict[str, Any]), get_type_hints(LaunchRequest)
    found = {
        each.name: value if each.name == "frames" else msgspec.convert(value, hints[each.name])
        for each in fields(LaunchRequest)
        if (value := written.get(each.encode_name, NODEFAULT)) is not NODEFAULT
    }
    return LaunchRequest(**found | {"numbers": first, "more_lists": more, "id": campaign, "by": by})


def requests_of_test(terms: bytes, numbers: Any, by: str) -> list[LaunchRequest]:
    """The requests for a test: the same message by the same route, urgent, to other numbers (the first column).

    One for each text, if several are compared.
    """
    made = request_of(terms, "", [numbers], by)
    same = {name: getattr(made, name) for name in _OF_A_TEST}
    name = f"test of {made.name}" if made.name else ""
    return [
        LaunchRequest(numbers=numbers, text=text, name=name, column=1, urgent=True, by=by, **same)
        for text in (made.text, *made.more_texts)
    ]
