"""A text before it is drafted: its length, its parts and cost on each account, and a few texts as they arrive.

Without a list nothing is counted exactly: a personalised text is measured with the sample values that are given. The
plan of the draft counts every recipient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.content.judge import ContentFinding
from dispatcher.core.messages.template import Template, TemplateBroken, parse
from dispatcher.core.messages.text import not_carried, parts, units
from dispatcher.errors import UserError
from dispatcher.sentences import Sentence
from dispatcher.service.content import check_content
from dispatcher.service.session import Session
from dispatcher.vendors.seam.vendor import Vendor

SAMPLES_MAX: Final = 3


class TextOnAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A text on one account: how many parts, and what they cost for all recipients, in millionths of a yuan.

    `cost_micro_yuan` is at the account's usual price; None: it has none, or nobody counted the recipients. `mistake`:
    why the account cannot carry the text, or "".
    """

    account: str
    vendor: str
    parts: int
    chars_max: int
    price_micro_yuan: int | None
    cost_micro_yuan: int | None
    mistake: Sentence | None


class TextPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A text, measured. `chars` of the longest sample; `missing` are placeholders that the list has no column for.

    `mistake`: why it is no text that can be sent, None if it is one.
    """

    chars: int = 0
    variables: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    accounts: tuple[TextOnAccount, ...] = ()
    findings: tuple[ContentFinding, ...] = ()
    mistake: Sentence | None = None


def preview_text(
    session: Session,
    text: str,
    *,
    route: Sequence[str] = (),
    campaign_class: str = "marketing",
    columns: Mapping[str, Sequence[str]] | None = None,
    recipients: int | None = None,
) -> TextPreview:
    """What this text is on this route, by default on all accounts. `columns`: sample values by header; None: no list.

    Raises UserError for an unknown class or account.
    """
    if not text.strip():
        return TextPreview(mistake=Sentence("the text is empty. Write what the recipients get."))
    try:
        template = parse(text)
    except TemplateBroken as error:
        return TextPreview(
            mistake=Sentence("the text has {error}. Write {{{{ and }}}} to send braces as they are.", error=error)
        )
    known = {name.strip().casefold(): values for name, values in (columns or {}).items()}
    missing = tuple(name for name in template.names if columns is not None and not _is_known(name, known))
    samples = tuple(islice(_samples(template, known), SAMPLES_MAX))
    longest = max(samples, key=units, default=text)
    accounts = _accounts(session, route)
    return TextPreview(
        chars=units(longest),
        variables=template.names,
        missing=missing,
        samples=samples,
        accounts=tuple(_on(name, vendor, longest, recipients) for name, vendor in accounts.items()),
        findings=check_content(session, longest, list(accounts), campaign_class).findings if accounts else (),
    )


def _accounts(session: Session, route: Sequence[str]) -> dict[str, Vendor]:
    """The accounts of a route: those that are named, of a named route, or all. Raises UserError."""
    config = session.config
    names = [
        account for name in route for account in (config.routes[name].accounts if name in config.routes else [name])
    ]
    wrong = [name for name in names if name not in config.accounts]
    if wrong:
        raise UserError('account "{wrong}" is not in {path}. Choose another route.', wrong=wrong[0], path=config.path)
    return {name: config.accounts[name] for name in names or sorted(config.accounts)}


def _is_known(name: str, known: Mapping[str, Sequence[str]]) -> bool:
    """Whether a column has this header, or this number from 1."""
    folded = name.strip().casefold()
    return folded in known or (folded.isdecimal() and 1 <= int(folded) <= len(known))


def _values(name: str, known: Mapping[str, Sequence[str]]) -> Sequence[str]:
    folded = name.strip().casefold()
    if folded in known:
        return known[folded]
    return list(known.values())[int(folded) - 1] if _is_known(name, known) else ()


def _samples(template: Template, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The text with the first rows' values; a placeholder without a value stays as it is written."""
    if not template.names:
        return [template.plain]
    columns = [_values(name, known) for name in template.names]
    rows = max((len(column) for column in columns), default=0) or 1
    return [
        template.fill(
            [
                column[row] if row < len(column) else f"{{{name}}}"
                for name, column in zip(template.names, columns, strict=True)
            ]
        )
        for row in range(rows)
    ]


def _on(name: str, vendor: Vendor, text: str, recipients: int | None) -> TextOnAccount:
    count, limits = parts(text, vendor.split), vendor.limits
    mistake = None
    if units(text) > limits.text_chars_max:
        over = units(text) - limits.text_chars_max
        mistake = Sentence(
            "takes {max:,} characters: shorten the text by {over:,}.", max=limits.text_chars_max, over=over
        )
    elif (lost := not_carried(text, limits.charset)) is not None:
        mistake = Sentence(
            'cannot carry "{character}", character {position}: replace it.',
            character=lost.character,
            position=lost.position,
        )
    price = None if vendor.price is None else vendor.prices_at(now_ms())["default"]
    return TextOnAccount(
        account=name,
        vendor=vendor.tag,
        parts=count,
        chars_max=limits.text_chars_max,
        price_micro_yuan=price,
        cost_micro_yuan=None if price is None or recipients is None else price * count * recipients,
        mistake=mistake,
    )
