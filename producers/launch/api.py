"""Launching a campaign: a list of numbers becomes batches, jobs and one `Launched` record, the commit point.

Order on the log: rejected rows, batches, jobs, `Launched`. All but the last carry this launch's random `attempt`;
records of an attempt that was not launched are ignored, and the first `Launched` of an id counts. So a launch may be
repeated after a crash at any point, any number of times: it launches once.

For the same reason an append that timed out is simply repeated: only one job refers to a batch that is on the log
twice, a lane takes each job number once, readers of rejected rows take each part once, and the first `Launched` counts.
"""

from __future__ import annotations

from contextlib import closing

from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from producers.launch.commit import LaunchResult, commit
from producers.launch.planning.plan import Plan
from producers.launch.prepare import prepare
from producers.lists.columns import check_hidden_rows
from producers.lists.reading import Progress, silent


async def plan_launch(session: Session, request: LaunchRequest, *, progress: Progress = silent) -> Plan:
    """What a launch would do and cost. It launches nothing and creates no log; it queries balances.

    Raises UserError (InputError, TextError, ConfigError).
    """
    with closing(await prepare(session, request, create=False, progress=progress)) as prepared:
        return prepared.plan


async def launch(session: Session, request: LaunchRequest, *, progress: Progress = silent) -> LaunchResult:
    """Launch a campaign; returns when the launch is durable.

    Rows that are set aside are counted in the result and kept on the log. With an `id` the call may be repeated after a
    crash.

    >>> from dispatcher import LaunchRequest, launch, open_session
    >>> numbers = ["13800138000", "+86 138-0013-8001", 13800138000, "not a number"]
    >>> sale = LaunchRequest(numbers=numbers, text="【Shop】Sale from 8 to 10", route=["spring"], id="may-sale")
    >>> async with open_session("dispatcher.toml") as session:
    ...     result = await launch(session, sale)
    ...     again = await launch(session, sale)
    >>> result.already_launched, result.recipients, result.duplicate, result.invalid_reasons
    (False, 2, 1, {'no number': 1})
    >>> again.already_launched
    True

    Raises UserError (InputError, TextError, ConfigError; also if a campaign with other numbers, text or route has the
    id) before anything counts, LogError if the log fails: then nothing is launched, or it is launched and a repetition
    reports it.
    """
    with closing(await prepare(session, request, ask_balance=False, progress=progress)) as prepared:
        plan = prepared.plan
        check_hidden_rows(plan.hidden_rows, request.hidden_rows, plan.source, "texted")
        return await commit(prepared, await session.log(create=True), progress)
