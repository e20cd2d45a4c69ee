"""Edition B of the BATCH platform: its codes and switches (vendors.md 4, 8.3); shared ones: codes_and_switches.py."""

from __future__ import annotations

from loadtest.sim.batch import codes_and_switches as batch_table
from loadtest.sim.switches import Switch, seconds, whole

SEND_CODES: dict[str, str] = {
    **{code: meaning for code, meaning in batch_table.CODES.items() if code != "120"},
    "107": "contains wrong numbers; HttpVarSM also: not as many values as places",
    "108": "wrong count of numbers: over the maximum, none, or below the minimum",
}
RECHARGE_CODES: dict[str, str] = {
    "201": "Recharge: parameter missing",
    "202": "Recharge: check failed: account, password, IP or timestamp (well-formed and stale)",
    "203": "Recharge: account to charge does not exist",
    "204": "Recharge: not enough to deduct",
    "205": "Recharge: parameter format wrong",
    "206": "Recharge: product does not exist",
}
USER_CODES: dict[str, str] = {
    "301": "UserManage: parameter missing",
    "302": "UserManage: check failed: account, password, IP or timestamp",
    "303": "UserManage: the user to delete does not exist, the one to add does",
    "304": "UserManage: extension already exists",
    "305": "UserManage: parameter wrong, with a description",
    "306": "UserManage: product does not exist",
}
CODES: dict[str, str] = SEND_CODES | RECHARGE_CODES | USER_CODES

SWITCHES: tuple[Switch, ...] = (
    Switch("edition", "B", "vendors.md 4", "which edition's defaults hold: always this one", ("B",)),
    *(switch for switch in batch_table.SWITCHES if switch.name != "edition"),
    Switch(
        "var_place",
        "both",
        "AMB-BATCH-16",
        "HttpVarSM: what is a place for a value in the text",
        ("both", "{$var}", "{var}"),
    ),
    Switch(
        "var_groups_max",
        1000,
        "vendors.md 4.4",
        "HttpVarSM: most groups in a request, else 108",
        (1000, 3),
        **whole(1),
    ),
    Switch(
        "timestamp_tolerance_s",
        300,
        "AMB-BATCH-18",
        "simulated seconds a timestamp of Recharge and UserManage may be off, else 202, 302",
        (300, 5),
        **seconds(),
    ),
    Switch(
        "timestamp_reuse",
        "refused",
        "AMB-BATCH-18",
        "the same agent's timestamp once more: 202, 302, or accepted",
        ("refused", "accepted"),
    ),
    Switch(
        "messages_per_fee",
        10,
        "vendors.md 4.2",
        "Recharge: how many messages a unit of the fee is converted to",
        (10, 1),
        **whole(1),
    ),
    Switch(
        "password_rule",
        "letters_and_digits",
        "vendors.md 4.3",
        "UserManage: what a new user's password needs, else 305: letters and digits, 6 at least; or anything",
        ("letters_and_digits", "any"),
    ),
)
