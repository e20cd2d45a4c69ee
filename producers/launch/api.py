"""Launching a campaign: a list of numbers becomes batches, jobs and one `Launched` record, the commit point.

Order on the log: rejected rows, batches, jobs, `Launched`. Everything before the last carries this launch's random
`attempt`, and nobody touches what belongs to an attempt that was not launched; the first `Launched` of an id is the one
that counts. So a launch may be repeated after a crash at any point, any number of times: it launches once.

For the same reason an append that timed out is simply repeated: a batch in the log twice is referred to by one job
only, a lane takes each job number once, readers of rejected rows each part once, and the first `Launched` counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from os import PathLike

from dispatcher.config.file import Config, load
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from producers.launch.commit import LaunchResult, commit
from producers.launch.prepare import prepare
from producers.lists.columns import Choice, HiddenRows, check_hidden_rows
from producers.lists.reading import Progress, silent


async def launch(
    numbers: object,
    *,
    text: str,
    route: Sequence[str],
    config: Config | str | PathLike[str] | None = None,
    log: Log | None = None,
    id: str | None = None,
    name: str = "",
    weight: int = 1,
    urgent: bool = False,
    unknown: str = "hold",
    column: str | int | None = None,
    sheet: str | int | None = None,
    header_row: int | None = None,
    hidden_rows: HiddenRows | None = None,
    suppress: Sequence[object] = (),
    suppress_column: str | int | None = None,
    suppress_sheet: str | int | None = None,
    options: Mapping[str, str] | None = None,
    extno: str = "",
    kind: str = "sms",
    frames: str | PathLike[str] | None = None,
    progress: Progress = silent,
) -> LaunchResult:
    """Launch a campaign; with the same `id` once or ten times, it is launched once.

    `numbers` is a path (CSV, TSV, TXT, XLSX, Parquet; "-" is standard input), the bytes of such a file, a column
    (numpy, polars, pyarrow or whatever speaks the Arrow C interface), a table, or any iterable, also an asynchronous
    one, of str, bytes or int. `column` names the phone column of a file or table, `sheet` the sheet of a workbook,
    `header_row` the line of the header (0: there is none); `hidden_rows` says whether rows that the workbook does not
    show are to `skip` or to `include`: a list that has some is refused without it. `suppress` holds lists like
    `numbers`, with `suppress_column` and `suppress_sheet` (who is on the suppression list is left out of every launch
    anyway). `config` is a configuration, the path
    of one, or None for dispatcher.toml; `log` is an open log to use instead of the configured one.

    A text with placeholders, as "Dear {name}", is personalised: `name` is a column of the file or table, and everybody
    gets their own; `{{` and `}}` are braces. `options` are vendor options of all accounts (`product`) or of one
    (`ACCOUNT.product`); `extno` extends the sender's number on all of them. `kind` is sms, wap (the text is
    `title#URL`) or mms (the text is the title, `frames` the folder of its files, uploaded right before the commit).

    Returns when the launch is durable. Rows that are no recipients are counted in the result and kept on the log.
    No id: a new campaign each time. Give one to be able to repeat the call after a crash.

    >>> from producers import launch
    >>> numbers = ["13800138000", "+86 138-0013-8001", 13800138000, "not a number"]
    >>> sale = {"text": "【Shop】Sale from 8 to 10", "route": ["spring"], "id": "may-sale"}
    >>> result = await launch(numbers, **sale, config=config)
    >>> result.already_launched, result.recipients, result.duplicate, result.invalid_reasons
    (False, 2, 1, {'no number': 1})
    >>> again = await launch(numbers, **sale, config=config)
    >>> again.already_launched
    True

    Raises UserError (InputError, TextError, ConfigError; also the id being taken by a campaign with other numbers, text
    or route) before anything counts, LogError if the log fails: then nothing is launched, or it is and a repetition
    says so.
    """
    settings = config if isinstance(config, Config) else load(config, secrets=route)
    prepared = await prepare(
        settings,
        numbers,
        text=text,
        route=route,
        id=id,
        name=name,
        weight=weight,
        urgent=urgent,
        unknown=unknown,
        choice=Choice(column=column, sheet=sheet, header_row=header_row, hidden_rows=hidden_rows),
        suppress=suppress,
        suppress_choice=Choice(column=suppress_column, sheet=suppress_sheet),
        options=options,
        extno=extno,
        kind=kind,
        frames=frames,
        ask_balance=False,
        log=log,
        progress=progress,
    )
    async with AsyncExitStack() as stack:
        stack.callback(prepared.close)
        check_hidden_rows(prepared.plan.hidden_rows, hidden_rows, prepared.plan.source, "texted")
        if log is None:
            log = await open_log(settings.log.url)
            stack.push_async_callback(log.close)
        return await commit(prepared, log, progress)
