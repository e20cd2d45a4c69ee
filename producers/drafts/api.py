"""Drafts as services: make one, plan and launch it, test it.

A draft has the list and every term of a launch. Launching it is an ordinary launch whose list comes from the log: the
suppression list, excluded campaigns and the accounts are judged again, with batches and jobs of its own. Which of
several launches counts, and whether a draft that was changed or cancelled meanwhile is launched, is decided by the log
(dispatcher/core/drafts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
import polars as pl
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.drafts import Draft
from dispatcher.core.numbers import REASONS, normalise
from dispatcher.errors import Conflict, UserError
from dispatcher.i18n import ENGLISH, language_is
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.os_user import os_user
from dispatcher.sentences import Sentence, joined
from dispatcher.service.campaigns.drafts import find_draft_in, show_draft
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from producers.drafts.on_log import ListOnLog
from producers.drafts.terms import request_of, requests_of_test
from producers.drafts.writing import check_draftable, write_draft
from producers.launch.commit import LaunchResult, commit
from producers.launch.definition import ID_CHARS_MAX
from producers.launch.planning.plan import ListOrigin, OneList, Plan, RowCounts
from producers.launch.planning.plan_text import shortage
from producers.launch.prepare import DraftOrigin, PreparedLaunch, prepare
from producers.lists.columns import check_hidden_rows
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading
from producers.lists.reading import Progress, parts_of, silent
from schemas.records import Drafted, DraftPlaces

TEST_NUMBERS_MAX: Final = 100


class DraftResult(msgspec.Struct, frozen=True, kw_only=True):
    """A draft that was made. `replaced`: there was one before; `approval_void`: what differs from the approved one.

    `lacks_approval`: another person must approve it before it is launched. `start_ms`: the time that a person gave;
    `starts_ms`: when it starts by itself within its sending hours, None if something else is missing.
    """

    campaign: str
    recipients: int
    replaced: bool
    lacks_approval: bool
    approval_void: tuple[str, ...]
    start_ms: int | None
    starts_ms: int | None
    plan: Plan


class DraftLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """The launch of a draft. `already_launched`: it was launched before; then there is no `launch`."""

    campaign: str
    already_launched: bool
    recipients: int
    launch: LaunchResult | None = None


class DraftTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test of a draft: the campaign it is launched as, how many numbers are texted, how many set aside and why."""

    campaign: str
    test_of: str
    recipients: int
    set_aside: dict[str, int]


async def draft(
    session: Session,
    request: LaunchRequest,
    *,
    start_ms: int = 0,
    even_if_short: bool = False,
    ask_balance: bool = False,
    progress: Progress = silent,
) -> DraftResult:
    """Keep a campaign on the log, to be launched later; with the `id` of a draft it replaces that one.

    `start_ms` (Unix milliseconds) schedules it; 0 leaves the time of a draft that is replaced as it is.
    `even_if_short`: it starts although a balance is too low. `ask_balance`: its plan is that of `plan_draft`.
    Raises UserError (InputError, TextError, ConfigError; also if the campaign is launched or cancelled), LogError.
    """
    with language_is(ENGLISH):  # the plan is kept on the log
        prepared = await prepare(session, request, ask_balance=ask_balance, progress=progress, start_ms=start_ms)
    with closing(prepared):
        plan = prepared.plan
        check_hidden_rows(plan.hidden_rows, request.hidden_rows, plan.source, "texted")
        return await draft_prepared(
            session, prepared, request, start_ms=start_ms, even_if_short=even_if_short, progress=progress
        )


async def draft_prepared(
    session: Session,
    prepared: PreparedLaunch,
    request: LaunchRequest,
    *,
    start_ms: int = 0,
    even_if_short: bool = False,
    progress: Progress = silent,
) -> DraftResult:
    """Keep what is prepared as a draft. See `draft`."""
    log, campaign = await session.log(create=True), prepared.definition.campaign
    before = (await read_campaigns(log)).get(campaign)
    await write_draft(prepared, request, log, start_ms=start_ms, even_if_short=even_if_short, progress=progress)
    view = await show_draft(session, campaign)
    return DraftResult(
        campaign=campaign,
        recipients=view.recipients,
        replaced=before is not None and before.draft is not None,
        lacks_approval=view.needs_approval and not view.approved_by,
        approval_void=view.changed_since_approval,
        start_ms=view.scheduled_ms,
        starts_ms=view.starts_ms,
        plan=prepared.plan,
    )


async def draft_of_terms(
    session: Session,
    campaign: str,
    terms: dict[str, Any],
    *,
    lists: Sequence[object] = (),
    choice: dict[str, Any] | None = None,
    list_of: str = "",
    start_ms: int = 0,
    even_if_short: bool = False,
    ask_balance: bool = False,
    by: str = "",
) -> DraftResult:
    """`draft` with everything as JSON has it: `terms` are those of a `LaunchRequest` that differ from its defaults.

    `lists` are paths or files with a name, read by this `Choice`; or `list_of` names the draft whose list it has, which
    may be this one.
    Raises what `draft` raises.
    """
    read: list[Any] = list(lists)
    if list_of:
        known = find_draft_in(await read_campaigns(await session.log()), list_of)
        read = [ListOnLog(await session.log(), list_of, each) for each in _places(known.draft.drafted).lists]
    if not read:
        raise UserError("a draft needs a list of numbers. Give one.")
    request = request_of(msgspec.json.encode(terms), campaign, read, by or os_user())
    return await draft(
        session,
        replace(request, **(choice or {})),
        start_ms=start_ms,
        even_if_short=even_if_short,
        ask_balance=ask_balance,
    )


async def plan_draft(session: Session, campaign: str, *, by: str = "", progress: Progress = silent) -> Plan:
    """What launching a draft now would do and cost, also before its approval. Raises UserError, LogError."""
    with closing(await prepare_draft(session, campaign, by=by, to_launch=False, progress=progress)) as prepared:
        return prepared.plan


async def launch_draft(session: Session, campaign: str, *, by: str = "", progress: Progress = silent) -> DraftLaunch:
    """Launch a draft now; returns when the launch is durable, and may be repeated after a crash.

    Raises UserError (no such draft; it needs an approval; it was replaced, moved or cancelled meanwhile; nobody is
    left), LogError.
    """
    if (already := await launched_before(session, campaign)) is not None:
        return already
    with closing(await prepare_draft(session, campaign, by=by, ask_balance=False, progress=progress)) as prepared:
        result = await commit(prepared, await session.log(), progress)
    return DraftLaunch(campaign=campaign, already_launched=False, recipients=result.recipients, launch=result)


async def start_draft(session: Session, campaign: str, revision: str) -> DraftLaunch:
    """Launch a scheduled draft of this revision, for whom scheduled it. Raises what `launch_draft` does.

    A balance that is too low is an error, unless the draft says that it starts all the same.
    """
    if (already := await launched_before(session, campaign)) is not None:
        return already
    known = find_draft_in(await read_campaigns(await session.log()), campaign)
    if known.revision != revision:
        raise Conflict('"{campaign}" is not started: it was drafted again or moved.', campaign=campaign)
    by = known.draft.scheduled.by if known.draft.scheduled else ""
    with closing(await prepare_draft(session, campaign, by=by)) as prepared:
        if (lacking := shortage(prepared.plan)) and not known.draft.drafted.even_if_short:
            raise UserError("{lacking} It was not started.", lacking=lacking)
        result = await commit(prepared, await session.log())
    return DraftLaunch(campaign=campaign, already_launched=False, recipients=result.recipients)


async def launched_before(session: Session, campaign: str) -> DraftLaunch | None:
    """What a repeated launch of a draft finds, if it was launched."""
    launched = (await read_campaigns(await session.log())).launched(campaign)
    if launched is None:
        return None
    return DraftLaunch(campaign=campaign, already_launched=True, recipients=launched.recipients)


async def prepare_draft(
    session: Session,
    campaign: str,
    *,
    by: str = "",
    ask_balance: bool = True,
    to_launch: bool = True,
    progress: Progress = silent,
) -> PreparedLaunch:
    """A launch of this draft, prepared. Raises UserError (`to_launch`: also if it lacks an approval), LogError."""
    known = find_draft_in(await read_campaigns(await session.log()), campaign)
    drafted, places = known.draft.drafted, _places(known.draft.drafted)
    check_draftable(campaign, known.campaign)
    if to_launch:
        _check_approved(known.draft, session.places.approval.above)
    lists = [ListOnLog(await session.log(), campaign, each) for each in places.lists]
    planned = msgspec.json.decode(drafted.plan, type=_PlannedLists) if drafted.plan else None
    return await prepare(
        session,
        request_of(drafted.terms, campaign, lists, by or os_user()),
        ask_balance=ask_balance,
        progress=progress,
        draft=DraftOrigin(
            revision=known.revision,
            fingerprint=drafted.fingerprint,
            set_aside=RowCounts(
                rows=drafted.invalid + drafted.duplicate + drafted.suppressed,
                recipients=0,
                duplicate=drafted.duplicate,
                suppressed_reasons=drafted.suppressed_reasons,
                invalid_reasons=drafted.invalid_reasons,
            ),
            rejects=places.rejects,
            approved_by=known.draft.approved_by,
            origin=planned,
            lists=() if planned is None else planned.lists,
        ),
    )


class _PlannedLists(ListOrigin, frozen=True, kw_only=True):
    """Where a draft's rows came from, as the plan that it keeps says."""

    lists: tuple[OneList, ...] = ()


def _places(drafted: Drafted) -> DraftPlaces:
    return msgspec.msgpack.decode(drafted.places, type=DraftPlaces)


def _check_approved(found: Draft, above: int | None) -> None:
    drafted = found.drafted
    if found.lacks_approval(above):
        changed = joined(map(Sentence, found.changed_since_approval()))
        void = Sentence(" Its approval is void: {changed} changed since.", changed=changed) if changed else ""
        raise Conflict(
            "{campaign} has {recipients:,} recipients; above {above:,} another person "
            "than its author ({by}) must approve it ([approval] above).{void}",
            campaign=drafted.campaign,
            recipients=drafted.recipients,
            above=above,
            by=drafted.by,
            void=void,
            do="To approve: dispatcher campaign approve {campaign} (by the API: POST /v1/campaigns/{campaign}:approve)",
        )


# --- tests -----------------------------------------------------------------------------------------------------------


async def send_test(
    session: Session, campaign: str, to: Sequence[str], *, row: int | None = None, by: str = ""
) -> list[DraftTest]:
    """Send a draft's very message to these numbers, at once, as a campaign of its own: `ID.test-1`, `ID.test-2` …

    If several texts are compared, each is sent.

    A personalised text has the values of the draft's first recipients, one for each number, or for all of them those
    of the recipient on line `row` of its list. A test needs no approval and has no sending hours; it is in no figure of
    the draft. Raises UserError, LogError.
    """
    if not 1 <= len(to) <= TEST_NUMBERS_MAX:
        raise UserError(
            "a test goes to 1 to {max} numbers, not {count:,}.",
            max=TEST_NUMBERS_MAX,
            count=len(to),
        )
    _check_numbers(to)
    log = await session.log()
    found = find_draft_in(await read_campaigns(log), campaign)
    check_draftable(campaign, found.campaign)
    names, values = await _values(session, found.draft.drafted, len(to), row)
    table = pl.DataFrame([pl.Series("to", to), *(each.alias(name) for name, each in zip(names, values, strict=True))])
    requests = requests_of_test(found.draft.drafted.terms, table, by or os_user())
    return [await _send_one(session, request, campaign) for request in requests]


def _check_numbers(to: Sequence[str]) -> None:
    """Raises UserError for the first that is no phone number anywhere."""
    lines = "".join(each.replace("\n", " ") + "\n" for each in to).encode("utf-8", "replace")
    numbers, reasons = normalise(lines, international=True, phs=True)
    for written, number, reason in zip(to, numbers.tolist(), reasons.tolist(), strict=True):
        if not number:
            raise UserError(
                '{about}: "{written}" is no mobile number ({why}).', written=written, why=REASONS[reason], about="--to"
            )


async def _send_one(session: Session, request: LaunchRequest, campaign: str) -> DraftTest:
    log = await session.log()
    while True:
        test = next_test(await read_campaigns(log), campaign)
        numbered = replace(request, id=test)
        with closing(await prepare(session, numbered, ask_balance=False, test_of=campaign)) as prepared:
            result = await commit(prepared, log)
        if not result.already_launched:  # else another test of the same content has taken this id
            break
    aside = {"duplicate": result.duplicate} if result.duplicate else {}
    return DraftTest(
        campaign=test,
        test_of=campaign,
        recipients=result.recipients,
        set_aside={**result.invalid_reasons, **result.suppressed_reasons, **aside},
    )


def next_test(known: Campaigns, campaign: str) -> str:
    """The id of the next test of this draft. Raises UserError."""
    taken = {each.id for each in known.by_id.values()}
    number = next(number for number in range(1, len(taken) + 2) if f"{campaign}.test-{number}" not in taken)
    test = f"{campaign}.test-{number}"
    if len(test) > ID_CHARS_MAX:
        raise UserError(
            '"{test}" is too long for an id ({max} characters).',
            test=test,
            max=ID_CHARS_MAX,
            about="--id",
            do="Draft it under a shorter --id.",
        )
    return test


async def _values(
    session: Session, drafted: Drafted, count: int, row: int | None
) -> tuple[tuple[str, ...], list[pl.Series]]:
    """The variables of a draft, and their values for this many numbers. Raises UserError, LogError."""
    names = drafted.variables
    if not names:
        if row is not None:
            raise UserError("every recipient of this draft gets the same text.", about="--row", do="Leave --row out.")
        return (), []
    log = await session.log()
    for each in _places(drafted).lists:
        with Opened(ListOnLog(log, drafted.campaign, each), Reading(names=names)) as opened:
            async for part in parts_of(opened):
                assert part.values is not None
                assert part.lines is not None
                columns = part.values.get_columns()[1:]
                if row is None:
                    return names, [column.gather([at % len(column) for at in range(count)]) for column in columns]
                at = part.lines.searchsorted(row)
                if at < len(part.lines) and part.lines[at] == row:
                    return names, [column.gather([int(at)] * count) for column in columns]
    raise UserError(
        "line {row} of the list has no recipient.", row=row, about="--row", do="Name the line of one: --row N."
    )
