"""A spend report as a file: CSV has its rows; XLSX has them, the total and the balances, a sheet each."""

from __future__ import annotations

from typing import IO, Any

import polars as pl

from dispatcher.core.money.amounts import MICRO_YUAN
from dispatcher.core.money.spend import Spent
from dispatcher.service.reports.spend import AccountBalance, SpendReport
from dispatcher.store.export.table_files import as_local_time, write_table, write_workbook

_AMOUNT = "_micro_yuan"


def write_spend(report: SpendReport, out: IO[bytes], kind: str) -> None:
    """Write it to `out`; amounts are in CNY. Raises OSError from `out`."""
    rows = pl.DataFrame(
        [{name: getattr(row, name) for name in report.by} | _columns(row.spent) for row in report.rows],
        schema={**dict.fromkeys(map(str, report.by), pl.String), **_SPENT},
    )
    if kind == "csv":
        write_table([rows], dict(rows.schema), out, "csv")
        return
    balances = pl.DataFrame([_columns(each) for each in report.balances], schema=_BALANCE)
    timed = balances.with_columns(as_local_time(balances[name]).alias(name) for name in ("before_at", "after_at"))
    total = pl.DataFrame([_columns(report.total)], schema=_SPENT)
    write_workbook({"spend": rows, "total": total, "balances": timed}, out)


def _columns(sums: Spent | AccountBalance) -> dict[str, Any]:
    """The fields by the names of their columns; amounts in CNY."""
    found: dict[str, Any] = {}
    for name in sums.__struct_fields__:
        value = getattr(sums, name)
        if name.endswith(_AMOUNT) and value is not None:
            value /= MICRO_YUAN
        found[_header(name)] = value
    return found


def _header(name: str) -> str:
    return name.removesuffix("_ms") + "_at" if name.endswith("_ms") else name.replace(_AMOUNT, "_cny")


def _kind(name: str) -> type[pl.DataType]:
    if name == "account":
        return pl.String
    return pl.Float64 if name.endswith(_AMOUNT) or name in ("before", "after", "used", "difference") else pl.Int64


_SPENT = {_header(name): _kind(name) for name in Spent.__struct_fields__}
_BALANCE = {_header(name): _kind(name) for name in AccountBalance.__struct_fields__}
