"""Roles, permissions and the actions of the audit trail in words, for `_`."""

from __future__ import annotations

from typing import Final

from dispatcher.core.people import Permission, Role
from dispatcher.i18n import N_

ROLE_WORDS: Final[dict[Role, str]] = {
    "viewer": N_("viewer"),
    "operator": N_("operator"),
    "approver": N_("approver"),
    "admin": N_("administrator"),
}

PERMISSION_WORDS: Final[dict[Permission, str]] = {
    "campaigns:read": N_("see campaigns and their figures"),
    "campaigns:draft": N_("draft and test campaigns"),
    "campaigns:send": N_("launch campaigns"),
    "campaigns:approve": N_("approve campaigns of others"),
    "campaigns:control": N_("pause, resume, cancel and weigh campaigns"),
    "numbers:read": N_("see phone numbers unmasked"),
    "accounts:read": N_("see accounts and balances"),
    "accounts:operate": N_("order operations at a vendor"),
    "unknown:resolve": N_("resolve unknown requests"),
    "inbound:read": N_("read inbound messages"),
    "suppression:read": N_("see the suppression list"),
    "suppression:write": N_("change the suppression list"),
    "reports:read": N_("see delivery and spend"),
    "streams:send": N_("send through streams"),
    "verify:use": N_("start and check verifications"),
    "people:admin": N_("manage people and tokens, read the audit trail"),
    "settings:read": N_("see the configuration and the state of the processes"),
}

ACTION_WORDS: Final = PERMISSION_WORDS | {
    "sign-in": N_("sign in"),
    "sign-out": N_("sign out"),
    "link-used": N_("set a password by a link"),
    "own-account": N_("their own account"),
    "numbers.unmask": N_("show numbers"),
    "numbers.lookup": N_("look a number up"),
    "numbers.export": N_("export numbers"),
    # of the HTTP API
    "account check": N_("check the login of an account"),
    "campaign approve": N_("approve a campaign"),
    "campaign budget": N_("change the budget of a campaign"),
    "campaign cancel": N_("cancel a campaign"),
    "campaign close": N_("close a campaign"),
    "campaign decide": N_("decide the text of a campaign"),
    "campaign follow-up": N_("follow a campaign up"),
    "campaign halt": N_("halt a campaign"),
    "campaign hours": N_("change the hours of a campaign"),
    "campaign launch": N_("launch a campaign"),
    "campaign pause": N_("pause a campaign"),
    "campaign plan": N_("plan a campaign"),
    "campaign release": N_("release a wave of a campaign"),
    "campaign results": N_("read the results of a campaign"),
    "campaign resume": N_("resume a campaign"),
    "campaign schedule": N_("schedule a campaign"),
    "campaign terms": N_("write the terms of a campaign"),
    "campaign test": N_("test a campaign"),
    "campaign upload": N_("upload the list of a campaign"),
    "campaign weight": N_("change the share of a campaign"),
    "inbound": N_("read messages from phones"),
    "look up": N_("look a number up"),
    "stream close": N_("close a stream"),
    "stream open": N_("open a stream"),
    "suppression add": N_("put numbers on the suppression list"),
    "suppression list": N_("read the suppression list"),
    "suppression remove": N_("take numbers off the suppression list"),
    "unknown resolve": N_("resolve unknown requests"),
}
"""What a line of the audit trail says was done."""

KIND_WORDS: Final = {
    "person": N_("person"),
    "token": N_("token"),
    "system": N_("command"),
    "nobody": N_("not signed in"),
}
"""What the author of a line of the audit trail is."""
