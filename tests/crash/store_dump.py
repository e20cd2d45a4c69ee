"""All rows of a SQLite store, table by table, to compare two stores.

`outbox` is left out: it is work still to be done downstream, not a result (dispatcher/store/sqlite/file.py).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

LEFT_OUT: Final = frozenset({"outbox"})

Dump = dict[str, list[tuple[Any, ...]]]


def dump(path: Path) -> Dump:
    """Every table's rows, sorted."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for name in names
            if name not in LEFT_OUT and not name.startswith("sqlite_")
        }


def differences(one: Dump, other: Dump) -> list[str]:
    """How the two differ, as sentences."""
    found = [f"table {name} is in one store only" for name in sorted(set(one) ^ set(other))]
    for name in sorted(set(one) & set(other)):
        if one[name] != other[name]:
            before = [row for row in one[name] if row not in other[name]][:2]
            after = [row for row in other[name] if row not in one[name]][:2]
            found.append(
                f"a rebuild changes table {name}: {len(one[name])} rows become {len(other[name])}; "
                f"for example {_short(before)} becomes {_short(after)}"
            )
    return found


def _short(rows: list[tuple[Any, ...]]) -> str:
    return str(rows)[:600]
