"""The checks after a run: the invariants, and what the scenario expects. Pure.

Each check is a sentence, whether it holds, and what was found. A check with too little data is not judged, and that is
not a success: the run passes only if the user made it smaller than the scenario is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from dispatcher.core.results.equation import Counts, total
from loadtest.scenarios.run import Facts
from loadtest.scenarios.settings import faults_of

WINDOWS_MIN: Final = 4
"""With fewer windows of the flow limit its use is not judged."""

FAULTY_REQUESTS_MIN: Final = 1_500
"""With fewer, some fault may not happen by chance."""


class Check(msgspec.Struct, frozen=True):
    """One invariant: the sentence, whether it holds, what was found. `holds` None: not judged."""

    what: str
    holds: bool | None
    found: str


def checks(facts: Facts) -> list[Check]:
    """All checks, in reading order."""
    return [*_always(facts), *_expected(facts)]


def account_totals(facts: Facts) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """By account: its vendor and the figures of that vendor's ledger."""
    return {
        account: (part.at, facts.totals[part.at]["accounts"][account])
        for account, part in facts.scenario.accounts.items()
    }


def our_counts(facts: Facts) -> dict[str, Counts]:
    """By account: where our recipients are."""
    return {
        account: total(view.accounts[account] for view in facts.views if account in view.accounts)
        for account in facts.scenario.accounts
    }


def _always(facts: Facts) -> Iterator[Check]:
    scenario, comparison = facts.scenario, facts.comparison
    counts = total(view.counts for view in facts.views)
    launched, wanted = len(facts.views), len(scenario.campaigns)
    missing = f"; never happened: {', '.join(facts.not_happened)}" if facts.not_happened else ""
    yield Check(
        "everything happened that was to happen",
        launched == wanted and not facts.not_happened,
        f"{launched} of {wanted} campaigns, {len(facts.happened) - launched} events{missing}",
    )
    yield Check(
        "our processes did as they were told", not facts.wrong, "; ".join(facts.wrong) or "all stopped in order"
    )
    yield Check("nobody was texted twice", comparison.doubles == 0, f"{comparison.doubles:,} double texts")
    over = [
        f"{name}: {ledger['windows_over_limit']:,} windows over, {ledger['window_max']:,} in one of {ledger['limit']:,}"
        for name, (_, ledger) in account_totals(facts).items()
        if ledger["windows_over_limit"] and name not in scenario.expect.over_limit
    ]
    yield Check("no flow limit was exceeded", not over, "; ".join(over) or "0 windows over")
    violations = _violations(facts)
    yield Check(
        "no other limit of a vendor was exceeded", not violations, _by_name(violations, "times") or "0 violations"
    )
    yield _lists(facts)
    broken = [view.id for view in facts.views if not view.counts.adds_up]
    yield Check("the equation holds", not broken, ", ".join(broken) or counts.line())
    moving = counts.open - counts.unknown
    yield Check("every recipient has its final word", moving == 0, f"{moving:,} still under way")
    yield _at_most("unknown", counts.unknown, counts.recipients, scenario.expect.unknown_max)
    yield Check(
        "the unknown are listed, and no report names one of them",
        facts.listed == counts.unknown and not comparison.unsettled,
        f"{facts.listed:,} listed, {comparison.unsettled:,} of them named by a report",
    )
    yield _at_most("no_report", counts.no_report, counts.recipients, scenario.expect.no_report_max)
    yield _at_most("refused", sum(facts.refused.values()), counts.recipients, scenario.expect.refused_max)
    yield from (_network(name, each["gateways"]) for name, each in facts.totals.items() if "gateways" in each)
    yield Check(
        "our results equal the vendors' ledgers, row by row",
        not comparison.disagreements,
        "; ".join(comparison.disagreements) or f"{comparison.compared:,} rows compared",
    )


def _network(vendor: str, gateways: Mapping[str, Mapping[str, Any]]) -> Check:
    """The accounts are at the first gateway: what it forwards is what the second one takes and reports."""
    here, there = gateways.values()
    near, far = here["network"], there["network"]
    due = here["forwarded"]
    sums = {
        "forwarded": near.get("mt_forwarded", 0),
        "taken by the other": far.get("mt_received", 0),
        "with a status there": sum(far["statuses"].values()),
        "reported by the other": far.get("mt_reports_sent", 0),
        "reports taken back": near.get("mt_reports_received", 0),
    }
    wrong = [f"{what}: {found:,}" for what, found in sums.items() if found != due]
    wrong += [
        f"{code}: {each['network']['mt_open']:,} open" for code, each in gateways.items() if each["network"]["mt_open"]
    ]
    found = f"{due:,} of {here['numbers']:,} messages were forwarded"
    what = f"{vendor}: every message is accounted for at both gateways"
    return Check(what, bool(due) and not wrong, "; ".join([found, *wrong]))


def _lists(facts: Facts) -> Check:
    wrong = []
    for view in facts.views:
        made = facts.made[view.id].counts
        for term, rows in made.items():
            if (counted := getattr(view.counts, term)) != rows:
                wrong.append(f"{view.id}: made with {rows:,} {term}, counted {counted:,}")
    return Check("each list is counted as it was made", not wrong, "; ".join(wrong) or "every row")


def _expected(facts: Facts) -> Iterator[Check]:
    expect = facts.scenario.expect
    counts = total(view.counts for view in facts.views)
    cancelled = sorted(view.id for view in facts.views if view.counts.cancelled)
    if cancelled or expect.cancelled:
        yield Check(
            f"cancelled: {', '.join(sorted(expect.cancelled)) or 'no campaign'}",
            cancelled == sorted(expect.cancelled),
            ", ".join(cancelled) or "none",
        )
    if expect.delivered is not None:
        least, most = expect.delivered
        share = counts.delivered / max(counts.recipients, 1)
        yield Check(f"{_percent(least)} to {_percent(most)} are delivered", least <= share <= most, _percent(share))
    if expect.limit_used_min is not None:
        yield _limit_used(facts, expect.limit_used_min)
    for vendor, codes in expect.codes.items():
        answered = facts.totals[vendor]["codes"]
        missing = [code for code in codes if not answered.get(code)]
        yield Check(
            f"{vendor} answered {', '.join(codes)}",
            not missing,
            ", ".join(f"{code}: {answered.get(code, 0):,} times" for code in codes),
        )
    for vendor in expect.faults:
        yield _every_fault(vendor, faults_of(facts.scenario.vendors[vendor].vendor), facts.totals[vendor])
    if expect.inbound is not None:
        acked = sum(int(totals["inbound_acked"]) for totals in facts.totals.values())
        wanted = max(acked, 1) if expect.inbound == "all" else expect.inbound
        yield Check(f"{wanted:,} messages from phones", facts.inbound == wanted, f"{facts.inbound:,}")
    if expect.within_s is not None:
        yield Check(f"over within {expect.within_s:g} s", facts.seconds <= expect.within_s, f"{facts.seconds:.0f} s")


def _violations(facts: Facts) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, (_, ledger) in account_totals(facts).items():
        for what, times in ledger["violations"].items():
            expected = what == "too_fast" and name in facts.scenario.expect.over_limit
            if what not in facts.scenario.expect.violations and not expected:
                found[f"{name} {what}"] = times
    return found


def _limit_used(facts: Facts, least: float) -> Check:
    paced = {name: ledger for name, (_, ledger) in account_totals(facts).items() if ledger["limit"]}
    used = {
        name: float(ledger["limit_used"])
        for name, ledger in paced.items()
        if ledger["limit_used"] is not None and ledger["active_s"] >= WINDOWS_MIN * ledger["per_s"]
    }
    too_little = [name for name in paced if name not in used]
    found = [f"{name} {_percent(share)}" for name, share in used.items()]
    found += [f"{name} sent too little to tell" for name in too_little]
    holds: bool | None = all(share >= least for share in used.values())
    if holds and (too_little or not paced):
        holds = None
    what = f"at least {_percent(least)} of every flow limit is used"
    return Check(what, holds, ", ".join(found) or "no account has a flow limit")


def _every_fault(vendor: str, possible: Collection[str], totals: Mapping[str, Any]) -> Check:
    faults: Mapping[str, int] = totals["faults"]
    happened = {name.partition(" ")[0] for name in faults}
    missing = [fault for fault in possible if fault not in happened]
    found = f"{sum(faults.values()):,} of {totals['requests']:,} requests"
    if totals["requests"] < FAULTY_REQUESTS_MIN:
        return Check(f"{vendor}: every fault happened", None, f"{found}: too few to tell")
    return Check(
        f"{vendor}: every fault happened", not missing, f"{found}{'; never: ' if missing else ''}{', '.join(missing)}"
    )


def _at_most(term: str, recipients: int, whole: int, share: float) -> Check:
    words = {"unknown": "are unknown", "no_report": "have no report", "refused": "are refused"}[term]
    most = int(share * whole)
    limit = f"at most {_percent(share)}" if share else "none"
    found = f"{recipients:,} ({_percent(recipients / whole)})" if recipients else "0"
    return Check(f"{limit} {words}", recipients <= most, found)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _by_name(found: Mapping[str, int], what: str) -> str:
    return ", ".join(f"{name}: {times:,} {what}" for name, times in found.items())
