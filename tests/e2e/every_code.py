"""Every code of a vendor's tables, forced at the simulator, through adapter, lane and joiner into the export.

Which codes there are is the simulator's word; what each must lead to is said by the test of the vendor, by hand, after
vendors.md. The adapter's own tables are not looked at. Codes that stop an account get an account each; all others are
met by one campaign of requests with two numbers, by the number.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from tests.e2e.stand import Dispatcher, Stand, stand

Behaviour = Literal[
    "taken", "partial", "refused", "divided", "again", "doubtful", "throttled", "auth", "balance", "held"
]  # fmt: skip
"""What a submit code must lead to.

taken      accepted, then reported
partial    some of it was taken and nobody said of whom: unknown, and not asked again
refused    failed with this code, asked once
divided    asked again in halves; only whom the code is about fails
again      asked again, and taken if the vendor has thought better of it; failed after `attempts_max`
doubtful   asked again; unknown after `attempts_max`
throttled  asked again, later
auth       the account stops, its work is kept; `account check` sets it going
balance    the account stops, its work is kept; it goes on by itself when there is credit
held       the account, or what this is about, waits for long; its work is kept
"""

STOPPING: Final = ("auth", "balance", "held")
ATTEMPTS: Final = 2
FIRST: Final = 13_810_000_000
STATUS_FIRST: Final = 13_820_000_000
MAIN: Final = "main"


class Case(NamedTuple):
    """A code met by the pair of numbers at this place; `times`: only so many requests (0: all) get it."""

    code: str
    behaviour: Behaviour
    place: int
    times: int

    @property
    def pair(self) -> tuple[str, str]:
        """The numbers of its request; the code is about the first."""
        return str(FIRST + 2 * self.place), str(FIRST + 2 * self.place + 1)

    @property
    def rule(self) -> dict[str, Any]:
        """What makes the simulator answer with the code."""
        taken = {"taken": True} if self.behaviour == "taken" else {}
        return {"code": self.code, "number": self.pair[0], "count": self.times, **taken}


def cases(behaviours: Mapping[str, Behaviour]) -> list[Case]:
    """The cases of one campaign: one for each code, and two where it matters whether the vendor thinks better of it."""
    made: list[Case] = []
    for code, behaviour in behaviours.items():
        if behaviour not in STOPPING:
            both = (1, 0) if behaviour in ("again", "doubtful") else (1,) if behaviour == "throttled" else (0,)
            made += [Case(code, behaviour, len(made) + at, times) for at, times in enumerate(both)]
    return made


def account_of(code: str) -> str:
    """The account that this code stops."""
    return f"code{code.replace('-', 'minus')}"


@contextmanager
def every_code(
    folder: Path, vendor: str, behaviours: Mapping[str, Behaviour], ours: Mapping[str, Any] | None = None
) -> Iterator[Stand]:
    """A stand with an account for the campaign, and one for each code that stops an account; and all rules set."""
    accounts: dict[str, dict[str, Any]] = {
        MAIN: {"numbers_per_request": 2, "attempts_max": ATTEMPTS, "give_up_after_s": 0.0, **(ours or {})}
    }
    stopping = [code for code, behaviour in behaviours.items() if behaviour in STOPPING]
    accounts |= {account_of(code): dict(ours or {}) for code in stopping}
    with stand(folder, f"sqlite:{folder}/log.db", ours=accounts, vendor=vendor) as at:
        rules = [case.rule for case in cases(behaviours)]
        rules += [{"code": code, "account": account_of(code)} for code in stopping]
        at.vendor.configure(rule=rules)
        yield at


def check_submit_codes(
    at: Stand,
    behaviours: Mapping[str, Behaviour],
    goes_on: Sequence[Behaviour] = ("auth", "balance"),
    twice: Collection[str] = (),
) -> None:
    """Launch everything, and hold what comes of it to what must. `goes_on`: which stopped accounts are awaited to go on
    (a vendor that may be asked for the balance twice a minute would make the test wait as long). `twice`: codes after
    which a vendor's own way is to try once more before an account stops.
    """
    assert set(behaviours.values()) <= set(get_args(Behaviour))
    dispatcher = at.run()
    made = cases(behaviours)
    (at.folder / "codes.txt").write_text("".join(f"{number}\n" for case in made for number in case.pair), "ascii")
    at.launch("codes", at.folder / "codes.txt", route=MAIN)
    stopping = [(code, behaviour) for code, behaviour in behaviours.items() if behaviour in STOPPING]
    for place, (code, _) in enumerate(stopping):
        _launch_one(at, code, place)
    at.until(lambda: _over(at, "codes"), "every code has had its consequence")
    rows, asked = exported(at, "codes"), requests(at)
    for case in made:
        _check_case(case, rows, asked)
    _check_shown(at, made)
    for code, _ in stopping:
        at.until(lambda code=code: f"code {code}" in _codes_at(at, code), f"{code} was answered")  # type: ignore[misc]
    for code, behaviour in stopping:
        _check_stopped(at, dispatcher, code, behaviour, 2 if code in twice else 1)
    at.vendor.configure(rule=[])
    going = [code for code, behaviour in stopping if behaviour in goes_on]
    if "auth" in goes_on:
        at.command("account", "check")
    at.until_settled(*map(account_of, going))
    for code in going:
        [row] = exported(at, account_of(code)).values()
        assert row["state"] in ("delivered", "failed")
        assert row["vendor_id"]
    assert at.vendor.totals()["double_texts"] == 0


def _launch_one(at: Stand, code: str, place: int) -> None:
    numbers = at.folder / f"{account_of(code)}.txt"
    numbers.write_text(f"{FIRST + 1_000_000 + place}\n", "ascii")
    at.launch(account_of(code), numbers, route=account_of(code))


def _over(at: Stand, campaign: str) -> bool:
    counts = at.counts(campaign)
    return counts.open == counts.unknown


def exported(at: Stand, campaign: str) -> dict[str, dict[str, Any]]:
    """`dispatcher campaign export`, by number."""
    path = at.folder / f"{campaign}.ndjson"
    path.unlink(missing_ok=True)
    at.command("campaign", "export", campaign, "--format", "ndjson", "-o", str(path))
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {row["number"]: row for row in rows}


def requests(at: Stand) -> dict[str, int]:
    """How many requests the vendor got with each number."""
    numbers: list[str] = at.vendor.rows()["number"].to_list()
    return {number: numbers.count(number) for number in set(numbers)}


def _check_case(case: Case, rows: Mapping[str, Mapping[str, Any]], asked: Mapping[str, int]) -> None:
    about, other = (rows[number] for number in case.pair)
    times = [asked[number] for number in case.pair]
    both = [(row["state"], row["code"]) for row in (about, other)]
    sent = [
        state in ("delivered", "failed") and row["vendor_id"]
        for row, (state, _) in zip((about, other), both, strict=True)
    ]
    match case.behaviour, case.times:
        case "taken", _:
            assert all(sent), (case, both)
            assert times == [1, 1], case
        case (("again" | "doubtful" | "throttled"), 1):
            assert all(sent), (case, both)
            assert times == [2, 2], case
        case "partial", _:
            assert [state for state, _ in both] == ["unknown"] * 2, case
            assert times == [1, 1], case
        case "divided", _:
            assert both[0] == ("failed", case.code), case
            assert sent[1], (case, both)
            assert times == [2, 2], case
        case "again", _:
            assert both == [("failed", case.code)] * 2, case
            assert times == [ATTEMPTS] * 2, case
        case "doubtful", _:
            assert [state for state, _ in both] == ["unknown"] * 2, case
            assert times == [ATTEMPTS] * 2, case
        case _:
            assert both == [("failed", case.code)] * 2, case
            assert times == [1, 1], case
    if both[0] == ("failed", case.code):
        assert about["meaning"], f"{case.code} is explained to people"


def _check_shown(at: Stand, made: Sequence[Case]) -> None:
    shown = json.loads(at.command("campaign", "show", "codes", "--json"))
    told = {(each["code"], each["source"]): each for each in shown["failures"]}
    for case in made:
        if case.behaviour in ("refused", "divided") or (case.behaviour == "again" and not case.times):
            assert told[case.code, "submit"]["meaning"], case
            assert told[case.code, "submit"]["recipients"] == (1 if case.behaviour == "divided" else 2), case


def _codes_at(at: Stand, code: str) -> Mapping[str, int]:
    faults: Mapping[str, int] = at.vendor.totals(False)["accounts"][account_of(code)]["faults"]
    return faults


def _check_stopped(at: Stand, dispatcher: Dispatcher, code: str, behaviour: Behaviour, times: int) -> None:
    name = account_of(code)
    at.until(lambda: at.counts(name).queued == 1, f"{name} has its recipient back")
    at.until(lambda: _told(dispatcher, name, code), f"{behaviour} of {name} is told to whoever runs it")
    at.until(lambda: _shown(at, name, code), f"{behaviour} of {name} stands in `account list`")
    [row] = exported(at, name).values()
    assert (row["state"], row["vendor_id"]) == ("queued", None), row
    assert at.vendor.totals(False)["accounts"][name]["numbers_accepted"] == 0
    if behaviour != "balance":
        assert requests(at)[row["number"]] == times, "nothing more is asked of it"


def _told(dispatcher: Dispatcher, name: str, code: str) -> bool:
    return any(name in line and f"the vendor answers {code}" in line for line in dispatcher.said().splitlines())


def _shown(at: Stand, name: str, code: str) -> bool:
    [shown] = [
        each for each in json.loads(at.command("account", "list", "--json"))["accounts"] if each["account"] == name
    ]
    return shown["stopped"] is not None and any(stop["code"] == code for stop in shown["stopped"]["stops"])


# --- reports ---------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a report status must lead to: the state, and the code as our results tell it; `known`: a document has it."""

    status: str
    state: Literal["delivered", "failed", "accepted"]
    code: str
    known: bool = True


def check_report_codes(folder: Path, vendor: str, told: Sequence[Told], ours: Mapping[str, Any] | None = None) -> None:
    """Have each status reported on a number of its own, and hold the export to what must come of it."""
    number_of = {each.status: str(STATUS_FIRST + place) for place, each in enumerate(told)}
    switches = {"status_numbers": {number: status for status, number in number_of.items()}}
    with stand(
        folder, f"sqlite:{folder}/log.db", ours={MAIN: dict(ours or {})}, vendor=vendor, switches=switches
    ) as at:
        at.run()
        (folder / "reports.txt").write_text("".join(f"{number}\n" for number in number_of.values()), "ascii")
        at.launch("reports", folder / "reports.txt", route=MAIN)
        at.until(lambda: _all_told(at, len(told)), "everybody is reported")
        waiting = sum(each.state == "accepted" for each in told)
        at.until(lambda: at.counts("reports").accepted == waiting, "every report is joined")
        rows = exported(at, "reports")
        for each in told:
            row = rows[number_of[each.status]]
            expected = (each.state, each.code if each.state != "accepted" else row["code"])
            assert (row["state"], row["code"] or "") == expected, (each, row)
            assert row["vendor_id"], each
            if each.known and each.state != "accepted":
                assert row["meaning"], f"{each.status} is explained to people"
        shown = json.loads(at.command("campaign", "show", "reports", "--json"))
        failures = {each["code"] for each in shown["failures"] if each["source"] == "report"}
        assert failures == {each.code for each in told if each.state == "failed"}


def _all_told(at: Stand, recipients: int) -> bool:
    totals = at.vendor.totals(False)
    return int(totals["reports_acked"]) == recipients and not totals["reports_waiting"]
