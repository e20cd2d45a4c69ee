"""The vendor's ledger, the log, our results, exports and a rebuild, beside each other, once all is settled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from dispatcher.store.opening import open_reader
from tests.crash import judge, store_dump
from tests.crash.truth import read_truth

if TYPE_CHECKING:
    from tests.crash.life import Life

EXPORTED_MAX: Final = 2


def compare(life: Life) -> list[str]:
    """The vendor's ledger, the log and our results; with nothing running."""
    truth = asyncio.run(read_truth(life.stage.loaded.log.url))
    totals = life.stage.vendor.totals()
    ledger = life.stage.vendor.rows()
    reader = open_reader(life.stage.loaded.store)
    try:
        views = reader.campaigns()
        ours = pl.concat([judge.our_rows(view.id, reader.pages(view.id)) for view in views])
        complaints = judge.judge(life.campaigns, truth, ours, ledger, views)
        unknown = {(each.partition, each.intent) for each in reader.unknown()}
        if unknown != truth.unknown:
            complaints.append(f"our unknown chunks are {sorted(unknown)}, those of the log {sorted(truth.unknown)}")
        complaints += [f"oddity in {odd.topic}: {odd.what} ({odd.count})" for odd in reader.oddities()]
    finally:
        reader.close()
    if totals["windows_over_limit"]:
        complaints.append(f"{totals['windows_over_limit']} windows over the flow limit at the vendor")
    complaints += said_wrong(life)
    life.figures.update(
        {
            "recipients": ours.height - life.figures["recipients"],
            "requests": totals["requests"] - life.figures["requests"],
            "owners": truth.owners - life.figures["owners"],
            "void records": truth.void - life.figures["void records"],
            "chunks": len(truth.chunks) - life.figures["chunks"],
            "chunks once unknown": sum(chunk.unknowns for chunk in truth.chunks) - life.figures["chunks once unknown"],
            "chunks still unknown": len(truth.unknown) - life.figures["chunks still unknown"],
            "doubles the policy allows": totals["double_texts"] - life.figures["doubles the policy allows"],
        }
    )
    return complaints


def rebuilt(life: Life) -> list[str]:
    """A store made anew from the log has the same rows."""
    before = store_dump.dump(life.stage.store_file)
    life.done("store", "rebuild", "--yes")
    return store_dump.differences(before, store_dump.dump(life.stage.store_file))


def exports_differ(life: Life) -> list[str]:
    """What the command exports of the newest campaigns, beside the results."""
    found = []
    reader = open_reader(life.stage.loaded.store)
    try:
        for view in reader.campaigns()[:EXPORTED_MAX]:
            path = life.stage.folder / f"{view.id}.export.csv"
            life.done("campaign", "export", view.id, "--format", "csv", "-o", str(path))
            exported = pl.read_csv(path, infer_schema=False).select("number", "state").sort("number")
            path.unlink()
            ours = judge.our_rows(view.id, reader.pages(view.id)).select("number", "state").sort("number")
            if not exported.equals(ours):
                found.append(f"the export of {view.id} differs from its results")
    finally:
        reader.close()
    return found


def said_wrong(life: Life) -> list[str]:
    """No process shows a traceback, whatever was done to it."""
    bad = ("Traceback", "internal error", "Task was destroyed", "never retrieved")
    return [
        f"{path.name} says: {line}"
        for path in sorted(Path(life.stage.folder).glob("*.log"))
        for line in path.read_text("utf-8", errors="replace").splitlines()
        if any(word in line for word in bad)
    ][:5]
