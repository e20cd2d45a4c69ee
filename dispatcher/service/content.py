"""A text judged by the content rules, without a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast, get_args

import msgspec

from dispatcher.clock import now_ms
from dispatcher.content.judge import ContentFinding, Plain, Terms, judge
from dispatcher.errors import UserError
from dispatcher.service.session import Session
from dispatcher.wording import SHANGHAI
from schemas.records import CampaignClass


class CheckedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text, the accounts that would send it, and what the rules say, errors first."""

    text: str
    route: tuple[str, ...]
    findings: tuple[ContentFinding, ...]


def check_content(session: Session, text: str, route: Sequence[str], campaign_class: str) -> CheckedText:
    """What the rules say about this text on this route, by default on all accounts. Raises UserError (ConfigError)."""
    if not text.strip():
        raise UserError("the text is empty. Give a text to check.", about="--text")
    if campaign_class not in get_args(CampaignClass):
        raise UserError(
            "the class must be {classes}, not {campaign_class!r}.",
            classes=", ".join(get_args(CampaignClass)),
            campaign_class=campaign_class,
        )
    known = session.config.accounts  # no secret is needed
    accounts = {name: known[name] if name in known else session.config.account(name) for name in route or known}
    on = datetime.fromtimestamp(now_ms() / 1000, SHANGHAI).date()
    terms = Terms(kind="sms", campaign_class=cast("CampaignClass", campaign_class), on=on)
    return CheckedText(text=text, route=tuple(accounts), findings=judge(Plain(text), accounts, terms))
