"""What each form of the console orders, in words: for the audit trail, whose records name the path that was asked."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from dispatcher.i18n import N_, _

DEEDS: Final = {
    "/overview/pause": N_("pause everything"),
    "/campaigns/{id}/pause": N_("pause {id}"),
    "/campaigns/{id}/resume": N_("resume {id}"),
    "/campaigns/{id}/cancel": N_("cancel {id}"),
    "/campaigns/{id}/weight": N_("change the share of {id}"),
    "/campaigns/{id}/hours": N_("change the hours of {id}"),
    "/campaigns/{id}/budget": N_("change the budget of {id}"),
    "/campaigns/{id}/close": N_("close {id}"),
    "/campaigns/{id}/close-stream": N_("close the stream {id}"),
    "/campaigns/{id}/release": N_("release a wave of {id}"),
    "/campaigns/{id}/halt": N_("halt {id}"),
    "/campaigns/{id}/decide": N_("decide the text of {id}"),
    "/campaigns/{id}/exports": N_("export {id}"),
    "/campaigns/{id}/follow-up/draft": N_("draft a follow-up of {id}"),
    "/campaigns/{id}/follow-up/launch": N_("follow {id} up"),
    "/campaigns/{id}/test": N_("test {id}"),
    "/campaigns/{id}/approve": N_("approve {id}"),
    "/campaigns/{id}/schedule": N_("schedule {id}"),
    "/campaigns/{id}/launch": N_("launch {id}"),
    "/campaigns/{id}/cancel-draft": N_("cancel the draft {id}"),
    "/campaigns/{id}/clone": N_("clone {id}"),
    "/campaigns/{id}/change": N_("change the draft {id}"),
    "/new-campaign": N_("give a list for a new campaign"),
    "/new-campaign/{form}/list": N_("give a list for a new campaign"),
    "/new-campaign/{form}/text": N_("write the text of a new campaign"),
    "/new-campaign/{form}/when": N_("draft a new campaign"),
    "/new-campaign/{form}/forget": N_("remove an unfinished campaign"),
    "/unknown/{campaign}": N_("resolve unknown requests of {campaign}"),
    "/accounts/{account}/check": N_("check the login of {account}"),
    "/inbound/{message}/reply": N_("answer a message"),
    "/inbound/opt-out": N_("put the sender of a message on the suppression list"),
    "/suppression/add": N_("put numbers on the suppression list"),
    "/suppression/remove": N_("take numbers off the suppression list"),
    "/suppression/import": N_("import a suppression list"),
    "/people/add": N_("add a person"),
    "/people/{name}/role": N_("give {name} a role"),
    "/people/{name}/link": N_("make a password link for {name}"),
    "/people/{name}/remove": N_("remove {name}"),
    "/people/{name}/sign-out": N_("sign {name} out"),
    "/people/tokens/add": N_("make a token"),
    "/people/tokens/{token}/revoke": N_("revoke the token {token}"),
    "/me/password": N_("change one's own password"),
    "/me/sign-out": N_("sign oneself out everywhere"),
}
"""By the path of the route."""

_PATTERNS: Final = [
    (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))), words)
    for path, words in sorted(DEEDS.items(), key=lambda each: "{" in each[0])
]


def deed(target: str) -> str:
    """What the order to this path is, "" if it is none of the console."""
    for pattern, words in _PATTERNS:
        found = pattern.fullmatch(target)
        if found is not None:
            return _(words).format(**{name: unquote(value) for name, value in found.groupdict().items()})
    return ""
