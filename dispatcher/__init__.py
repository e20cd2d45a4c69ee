"""Bulk SMS campaigns, from Python: what the commands do, as coroutines that take and return values.

    from dispatcher import LaunchRequest, launch, open_session

Each name is imported when it is used, so `import dispatcher` stays light. docs/PYTHON.md shows them at work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dispatcher.errors import DispatcherError, UserError
    from dispatcher.service.accounts import account_balances, check_accounts, list_accounts
    from dispatcher.service.campaigns.drafts import approve_campaign, list_drafts, schedule_campaign, show_draft
    from dispatcher.service.campaigns.follow_ups import FollowUpRequest
    from dispatcher.service.campaigns.launching import LaunchRequest
    from dispatcher.service.campaigns.orders.control import (
        budget_campaign,
        cancel_campaign,
        pause_campaign,
        resume_campaign,
        weigh_campaign,
    )
    from dispatcher.service.campaigns.orders.waves import decide_text, halt_wave, release_wave
    from dispatcher.service.campaigns.results import write_results
    from dispatcher.service.campaigns.views import list_campaigns, show_campaign, watch_campaign
    from dispatcher.service.inbound import dead_letters, follow_messages, newest_messages
    from dispatcher.service.lookup import look_up
    from dispatcher.service.reports.spend import SpendWanted, report_spend
    from dispatcher.service.resolutions import list_resolutions
    from dispatcher.service.session import Session, open_session
    from dispatcher.service.streams import (
        StreamMessage,
        StreamRequest,
        append_messages,
        close_stream,
        open_stream,
    )
    from dispatcher.service.suppression import are_suppressed, change_suppression, list_suppressed
    from dispatcher.service.unknowns import list_unknown, resolve_unknown, unknown_to_resolve
    from dispatcher.service.verification import check_verification, start_verification

__all__ = [
    "DispatcherError",
    "FollowUpRequest",
    "LaunchRequest",
    "Session",
    "SpendWanted",
    "StreamMessage",
    "StreamRequest",
    "UserError",
    "account_balances",
    "append_messages",
    "approve_campaign",
    "are_suppressed",
    "budget_campaign",
    "cancel_campaign",
    "change_suppression",
    "check_accounts",
    "check_verification",
    "close_stream",
    "dead_letters",
    "decide_text",
    "draft",
    "draft_follow_up",
    "follow_messages",
    "follow_up",
    "halt_wave",
    "launch",
    "launch_draft",
    "list_accounts",
    "list_campaigns",
    "list_drafts",
    "list_resolutions",
    "list_suppressed",
    "list_unknown",
    "look_up",
    "newest_messages",
    "open_session",
    "open_stream",
    "pause_campaign",
    "plan_draft",
    "plan_follow_up",
    "plan_launch",
    "release_wave",
    "report_spend",
    "resolve_unknown",
    "resume_campaign",
    "schedule_campaign",
    "send_test",
    "show_campaign",
    "show_draft",
    "start_verification",
    "unknown_to_resolve",
    "watch_campaign",
    "weigh_campaign",
    "write_results",
]

_MODULES: Final = {
    "errors": ("DispatcherError", "UserError"),
    "service.accounts": ("account_balances", "check_accounts", "list_accounts"),
    "service.campaigns.views": ("list_campaigns", "show_campaign", "watch_campaign"),
    "service.campaigns.orders.control": (
        "budget_campaign",
        "cancel_campaign",
        "pause_campaign",
        "resume_campaign",
        "weigh_campaign",
    ),
    "service.campaigns.drafts": ("approve_campaign", "list_drafts", "schedule_campaign", "show_draft"),
    "service.campaigns.follow_ups": ("FollowUpRequest",),
    "service.inbound": ("dead_letters", "follow_messages", "newest_messages"),
    "service.campaigns.launching": ("LaunchRequest",),
    "service.lookup": ("look_up",),
    "service.resolutions": ("list_resolutions",),
    "service.campaigns.results": ("write_results",),
    "service.session": ("Session", "open_session"),
    "service.streams": (
        "StreamMessage",
        "StreamRequest",
        "append_messages",
        "close_stream",
        "open_stream",
    ),
    "service.reports.spend": ("SpendWanted", "report_spend"),
    "service.suppression": ("are_suppressed", "change_suppression", "list_suppressed"),
    "service.campaigns.orders.waves": ("decide_text", "halt_wave", "release_wave"),
    "service.verification": ("check_verification", "start_verification"),
    "service.unknowns": ("list_unknown", "resolve_unknown", "unknown_to_resolve"),
}
_WHERE: Final = {name: f"dispatcher.{module}" for module, names in _MODULES.items() for name in names}

_ABOVE: Final = (
    "draft",
    "draft_follow_up",
    "follow_up",
    "launch",
    "launch_draft",
    "plan_draft",
    "plan_follow_up",
    "plan_launch",
    "send_test",
)
"""Services of packages above this one, by entry point: it imports none of them."""


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _ABOVE:
        from importlib.metadata import entry_points

        [found] = entry_points(group="dispatcher.services", name=name)
        return found.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
