"""An account stops in the middle of a campaign, and the rest leaves over the next one. One suite for every log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.stand import numbers_file, stand

PACED: dict[str, dict[str, Any]] = {"spring": {"flow": {"limit": 300}}, "summer": {"flow": {"limit": 300}}}
ROUTE = '\n[routes.careful]\ndefault = ["spring", "summer"]\nfailover_after_s = 1\n'
RECIPIENTS = 1_200


class FailoverContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_what_waits_at_an_account_that_stops_leaves_over_the_next_one_and_nobody_twice(
        self, tmp_path: Path, log_url: str
    ) -> None:
        with stand(tmp_path, log_url, ours=PACED) as at:
            at.config_path.write_text(at.config_path.read_text("utf-8") + ROUTE, "utf-8")
            at.run()
            at.launch("may", numbers_file(tmp_path, RECIPIENTS), route="careful")
            at.until(lambda: at.taken() > 0, "something was sent")
            at.vendor.configure(account={"spring": {"pswd": "changed"}})
            at.until_settled("may")
            at.compare("may")
            ledger, view = at.ledger(), at.view("may")
            assert ledger["number"].n_unique() == ledger.height == RECIPIENTS
            assert at.vendor.totals()["double_texts"] == 0
            by_account = dict(ledger.group_by("account").len().iter_rows())
            assert {name: counts.recipients for name, counts in view.accounts.items()} == by_account
            assert by_account["summer"] > 0
            [move] = view.moves
            assert (move.account, move.to, move.why, move.recipients) == (
                "spring", "summer", "login", by_account["summer"],
            )  # fmt: skip
            shown = " ".join(at.command("campaign", "show", "may").split())
            assert f"{move.recipients:,} recipients moved from spring to summer since" in shown
            assert "moved from spring to summer since" in " ".join(at.command("account", "list").split())
            moved = next(row["number"] for row in ledger.iter_rows(named=True) if row["account"] == "summer")
            assert "summer" in at.command("lookup", moved)
            assert "return when the account" in at.command("campaign", "fail-back", "may")
