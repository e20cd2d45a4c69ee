"""Everything of a launch that comes before the log: definition, list, dealing, plan, fingerprint."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from dispatcher.config import Config
from dispatcher.errors import InputError
from producers.balances import ask_balances
from producers.deal import Part, batch_sizes, deal
from producers.definition import Definition, define
from producers.intake import Intake, Progress, read_list, silent
from producers.plan import Plan, make_plan, plan_accounts, send_hours, shares


class Prepared(msgspec.Struct):
    """A launch that is ready: what it would do (`plan`), and all that `commit` needs. Nothing is on the log yet."""

    definition: Definition
    plan: Plan
    intake: Intake
    sizes: list[int]
    parts: list[Part]
    fingerprint: str

    def close(self) -> None:
        """Give the memory and the temporary file back."""
        self.intake.spool.close()


async def prepare(
    config: Config,
    numbers: object,
    *,
    text: str,
    route: Sequence[str],
    id: str | None = None,
    name: str = "",
    weight: int = 1,
    urgent: bool = False,
    unknown: str = "hold",
    column: str | int | None = None,
    suppress: Sequence[object] = (),
    options: Mapping[str, str] | None = None,
    ask_balance: bool = True,
    progress: Progress = silent,
) -> Prepared:
    """Read and check everything, and plan. Raises UserError (InputError, TextError, ConfigError)."""
    definition = define(
        config,
        campaign=id,
        name=name,
        text=text,
        route=route,
        weight=weight,
        urgent=urgent,
        unknown=unknown,
        options=options or {},
        now=datetime.now(),
    )
    intake = await read_list(numbers, column, suppress, progress)
    try:
        _check_recipients(intake)
        least = max(vendor.limits.numbers_min for vendor in definition.accounts.values())
        sizes = batch_sizes(intake.counts.recipients, least)
        parts = deal(sizes, shares(definition.accounts, text))
        _check_parts(definition, parts)
        accounts = plan_accounts(definition.accounts, text, parts)
        plan = make_plan(
            campaign=definition.campaign,
            name=definition.name,
            source=intake.source,
            column=intake.column,
            encoding=intake.encoding,
            text=text,
            counts=intake.counts,
            batches=len(sizes),
            accounts=await ask_balances(config.log.url, definition.accounts, accounts) if ask_balance else accounts,
            now_ms=time.time_ns() // 1_000_000,
            notes=(*intake.notes, *send_hours(definition.accounts), *definition.vendor_notes()),
        )
        fingerprint = await asyncio.to_thread(_fingerprint, definition, intake)
    except BaseException:
        intake.spool.close()
        raise
    return Prepared(definition, plan, intake, sizes, parts, fingerprint)


def _check_recipients(intake: Intake) -> None:
    """Raises InputError if there is nobody to send to."""
    counts = intake.counts
    where = f"{intake.source}, {intake.column}" if intake.column else intake.source
    if not counts.recipients and counts.suppressed:
        raise InputError(f"{where}: all {counts.suppressed:,} numbers are suppressed. There is nobody to send to.")
    if not counts.recipients:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.invalid_reasons.items())
        raise InputError(
            f"{where}: none of {counts.rows:,} rows is a mobile number ({reasons}). "
            "Check the file, or name another column with --column."
        )


def _check_parts(definition: Definition, parts: Sequence[Part]) -> None:
    """Raises InputError if an account would get fewer than its vendor takes in one request: those would be refused."""
    for part in parts:
        least = definition.accounts[part.account].limits.numbers_min
        if part.count < least:
            raise InputError(
                f'account "{part.account}" takes at least {least:,} numbers a request and would get {part.count:,}. '
                "Send this campaign through another account."
            )


def _fingerprint(definition: Definition, intake: Intake) -> str:
    """SHA-256 (hex) of the recipients in their order, the text, the accounts, the policy and the options."""
    digest = hashlib.sha256(definition.sent_as())
    for numbers in intake.separated.recipients.blocks():
        digest.update(numbers.astype("<i8", copy=False).data)
    return digest.hexdigest()
