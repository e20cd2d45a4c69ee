"""Edition B of the BATCH platform: its codes and switches (vendors.md 4, 8.3); shared ones: codes_and_switches.py."""

from __future__ import annotations

from loadtest.sim.batch import codes_and_switches as batch_table
from loadtest.sim.switches import Switch, seconds, whole

SEND_CODES: dict[str, str] = {
    **{code: meaning for code, meaning in batch_table.CODES.items() if code != "120"},
    "107": "contains wrong numbers; HttpVarSM: wrong number of values",
    "108": "wrong count of numbers: none, too few, too many",
}
RECHARGE_CODES: dict[str, str] = {
    "201": "Recharge: parameter missing",
    "202": "Recharge: account, password, IP or timestamp (stale) refused",
    "203": "Recharge: account to charge does not exist",
    "204": "Recharge: not enough to deduct",
    "205": "Recharge: parameter format wrong",
    "206": "Recharge: product does not exist",
}
USER_CODES: dict[str, str] = {
    "301": "UserManage: parameter missing",
    "302": "UserManage: account, password, IP or timestamp refused",
    "303": "UserManage: no user to delete, or the new one exists",
    "304": "UserManage: extension already exists",
    "305": "UserManage: parameter wrong, with a description",
    "306": "UserManage: product does not exist",
}
CODES: dict[str, str] = SEND_CODES | RECHARGE_CODES | USER_CODES

SWITCHES: tuple[Switch, ...] = (
    Switch("edition", "B", "vendors.md 4", "always this one", ("B",)),
    *(switch for switch in batch_table.SWITCHES if switch.name != "edition"),
    Switch(
        "var_place",
        "both",
        "AMB-BATCH-16",
        "HttpVarSM: places for values",
        ("both", "{$var}", "{var}"),
    ),
    Switch(
        "var_groups_max",
        1000,
        "vendors.md 4.4",
        "HttpVarSM: most groups, else 108",
        (1000, 3),
        **whole(1),
    ),
    Switch(
        "timestamp_tolerance_s",
        300,
        "AMB-BATCH-18",
        "simulated seconds an agent's timestamp may be off, else 202, 302",
        (300, 5),
        **seconds(),
    ),
    Switch(
        "timestamp_reuse",
        "refused",
        "AMB-BATCH-18",
        "an agent's timestamp used again: 202, 302, or accepted",
        ("refused", "accepted"),
    ),
    Switch(
        "messages_per_fee",
        10,
        "vendors.md 4.2",
        "Recharge: messages per unit of the fee",
        (10, 1),
        **whole(1),
    ),
    Switch(
        "password_rule",
        "letters_and_digits",
        "vendors.md 4.3",
        "UserManage: a new password needs letters and digits, 6 at least, else 305",
        ("letters_and_digits", "any"),
    ),
)
