"""Sentences of the engine as pages say them: of fields instead of options, without commands of a shell. Pure.

The engine words a mistake for whoever types a command, in English. The usual ones are worded anew, in the language of
the request; in any other sentence each option becomes the name of its field, and what to type in a shell is left out.
"""

from __future__ import annotations

import re
from typing import Final

from dispatcher.i18n import N_, _

REWORDED: Final = (
    (
        r"(?P<list>.+): columns (?P<columns>.+) are named like phone numbers equally well\. .*--column.*",
        N_("{list}: columns {columns} are named like phone numbers equally well. Choose the column below."),
    ),
    (
        r"(?P<list>.+): columns (?P<columns>.+) all look like phone numbers\. .*--column.*",
        N_("{list}: columns {columns} all look like phone numbers. Choose the column below."),
    ),
    (
        r"(?P<list>.+): no column looks like phone numbers \((?P<columns>.*)\)\..*--column.*",
        N_("{list}: no column looks like phone numbers ({columns}). Choose the column below, or correct the list."),
    ),
    (
        r"(?P<list>.+): sheets (?P<sheets>.+) all hold phone numbers\. .*--sheet\.",
        N_("{list}: sheets {sheets} all hold phone numbers. Choose the sheet below."),
    ),
    (
        r"(?P<list>.+): (?P<count>[\d,]+) of its rows are hidden in the sheet.*--hidden-rows.*",
        N_("{list}: {count} of its rows are hidden in the sheet, by a filter or by hand. Choose below what to do."),
    ),
    (
        r'--budget (?P<given>".*") is not an amount in CNY.*',
        N_("The budget {given} is not an amount in CNY. Write it like 0.045 or 500, with at most 6 decimals."),
    ),
    (r"a budget of 0 CNY pays nothing\..*", N_("A budget of 0 CNY pays nothing. Give more, or none.")),
    (
        r"a budget cannot be shared with drafts of later days:.*",
        N_("A budget cannot be shared with drafts of later days: leave the budget empty, or untick what is deferred."),
    ),
    (r"--defer goes with one text:.*", N_("Who is deferred cannot be compared: give one text, or defer nobody.")),
    (
        r"recipients of texts that are compared got different ones:.*",
        N_("Recipients of compared texts got different ones: give one text, or text nobody again by itself."),
    ),
    (
        r"--retry (?P<given>\".*\"): retries are (?P<limits>.+)\.",
        N_("Texting again by itself is possible {limits}, not {given}."),
    ),
    (r"--wave-wait goes with --waves:.*", N_("Without waves there is no wait for reports between them.")),
    (
        r'--to: (?P<given>".*") is no mobile number \((?P<why>.*)\)\.',
        N_("{given} is no mobile number ({why})."),
    ),
    (
        r"(?P<campaign>\S+) has (?P<count>[\d,]+) recipients; above (?P<above>[\d,]+) another person than its author "
        r"\((?P<person>.+?)\) must approve it.*",
        N_("{count} recipients are more than {above}: another person than {person} must approve it first."),
    ),
    (
        r"(?P<campaign>\S+) has (?P<count>[\d,]+) recipients; above (?P<above>[\d,]+) another person must approve it.*",
        N_(
            "{count} recipients are more than {above}, which another person must approve, and a follow-up cannot be "
            "approved. Choose fewer, or export these recipients and draft a new campaign to them."
        ),
    ),
    (
        r'the id "(?P<campaign>.+?)" is taken: .*',
        N_('The id "{campaign}" is taken by another campaign. Choose another id.'),
    ),
    (
        r'"(?P<campaign>.+?)" was launched already\. .*--id\.',
        N_('"{campaign}" was launched already. Choose another id.'),
    ),
    (
        r'there is no campaign "(?P<id>.+?)" on this log\..*',
        N_('There is no campaign "{id}".'),
    ),
    (
        r'there is no draft "(?P<id>.+?)" on this log\..*',
        N_('There is no draft "{id}".'),
    ),
    (
        r'"(?P<id>.+?)" was launched and is no draft any more\..*',
        N_('"{id}" was launched and is no draft any more.'),
    ),
    (
        r'"(?P<id>.+?)" is cancelled, and that is final\..*',
        N_('"{id}" is cancelled, and that is final. Draft it under another id.'),
    ),
    (
        r'"(?P<id>.+?)" was drafted by (?P<person>.+): another person must approve it\.',
        N_('"{id}" was drafted by {person}: another person must approve it.'),
    ),
    (
        r'"(?P<id>.+?)" needs no approval: it has .*, and \[approval\] above (?P<limit>[\d,]+)\..*',
        N_('"{id}" needs no approval: only campaigns to more than {limit} recipients need one.'),
    ),
    (
        r"the weight (?P<weight>-?\d+) must be 1 to (?P<limit>\d+)\.",
        N_("The weight {weight} must be 1 to {limit}."),
    ),
    (
        r'campaign "(?P<id>.+?)" was launched without a budget, so its costs are not limited\.',
        N_('Campaign "{id}" was launched without a budget, so its costs are not limited.'),
    ),
    (
        r'campaign "(?P<id>.+?)" still has (?P<count>[\d,]+) recipients? to send\..*',
        N_('Campaign "{id}" still has {count} to send. Close it when all are sent, or cancel it first.'),
    ),
    (
        r"(?P<id>.+) is a stream, and no campaign is made from it\..*",
        N_("{id} is a stream, and no campaign is made from it."),
    ),
    (
        r'"(?P<id>.+?)" could never be sent: these hours are outside those of its class and carriers '
        r"\((?P<hours>.*)\)\..*",
        N_(
            '"{id}" could never be sent: these hours are outside those of its class and carriers ({hours}). '
            "Change them."
        ),
    ),
    (
        r'all (?P<count>\d+) waves of "(?P<id>.+?)" are released\.',
        N_('All {count} waves of "{id}" are released.'),
    ),
    (
        r'the last wave of "(?P<id>.+?)" waits for its text\..*',
        N_('The last wave of "{id}" waits for its text: decide it first.'),
    ),
    (
        r'text (?P<text>\w+) was decided for "(?P<id>.+?)", and that is final\.',
        N_('Text {text} was decided for "{id}", and that is final.'),
    ),
    (
        r"the text is empty\. Write what the recipients get\.",
        N_("The text is empty. Write what the recipients get."),
    ),
    (
        r'"(?P<number>.*)" is no phone number\..*',
        N_('"{number}" is no phone number. Write a mobile like 13800138000, a number abroad like +447700900123.'),
    ),
)
"""Whole sentences, by how the engine says them."""

FIELDS: Final = {
    "at-closing": "choice of what becomes of the rest",
    "between": "hours",
    "from": "begin of the time",
    "header-row": "header line",
    "id": "id",
    "text": "text",
    "to": "end of the time",
    "urgent": "urgency",
    "wave-wait": "wait between waves",
}
"""What the field of an option is called, where that is not the option's own name."""

_REWORDED: Final = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in REWORDED)
_IN_SHELL: Final = re.compile(
    r" \((?:see )?dispatcher [a-z][^)]*\)"
    r"|(?<=[.!]) (?:See|To [a-z ]+): dispatcher [a-z].*?(?=$|(?<=\.)\s)"
    r"|(?:, then|, or later)?: dispatcher [a-z][^\n]*?(?=$|\.$)"
    r"|(?: For others there is| See:) dispatcher [a-z][^\n]*$"
)
_OPTION: Final = re.compile(
    r"(?P<before>\b(?:an?|the|one|another|this) )?(?<![\w-])--(?P<option>[a-z][a-z-]*)(?P<value> \d+)?"
)


def said(sentence: object) -> str:
    """The sentence of an error, or of a plan, as a page says it."""
    text = str(sentence)
    for pattern, words in _REWORDED:
        if found := pattern.fullmatch(text):
            return _(words).format(**found.groupdict())
    if "--" not in text and "dispatcher " not in text:
        return text
    plain = _OPTION.sub(_field, _IN_SHELL.sub("", text)).strip()
    if plain == text:
        return text
    if plain and plain[-1] not in ".?!)…":
        plain += "."
    return plain[:1].upper() + plain[1:] if text.startswith("--") else plain


def _field(found: re.Match[str]) -> str:
    name = FIELDS.get(found["option"], found["option"].replace("-", " "))
    if found["value"]:
        return f"{found['before'] or ''}{name}{found['value']}"
    return f"{found['before'] or 'the '}{name}"
