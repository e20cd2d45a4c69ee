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
}
"""What a line of the audit trail says was done."""

KIND_WORDS: Final = {
    "person": N_("person"),
    "token": N_("token"),
    "system": N_("command"),
    "nobody": N_("not signed in"),
}
"""What the author of a line of the audit trail is."""
