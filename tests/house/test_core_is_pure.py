"""The core may be run through millions of simulated faults because it cannot do anything: no I/O, no clock, no chance.
The same holds for the codec of CMPP.

`make lint` holds the layers between the packages; this holds what the core may import from outside.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "dispatcher" / "core").rglob("*.py"))
CMPP = sorted((ROOT / "dispatcher" / "cmpp").rglob("*.py"))

ALLOWED = {"schemas", "dispatcher.core", "dispatcher.errors", "dispatcher.sentences", "numpy", "msgspec"}

# Standard library that reaches outside the process, waits, or answers differently each time.
IMPURE = {
    "asyncio", "concurrent", "ctypes", "datetime", "fcntl", "getpass", "glob", "http", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "platform", "queue", "random", "secrets", "select", "selectors",
    "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip


def imports(source: str) -> Iterator[str]:
    """The modules a source imports, as written; of `from a import b` only `a`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def is_allowed(module: str) -> bool:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return top not in IMPURE
    return any(module == allowed or module.startswith(f"{allowed}.") for allowed in ALLOWED)


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.stem)
def test_a_core_module_imports_nothing_that_can_act(file: Path) -> None:
    assert [module for module in imports(file.read_text(encoding="utf-8")) if not is_allowed(module)] == []


@pytest.mark.parametrize("file", CMPP, ids=lambda file: file.stem)
def test_a_module_of_the_codec_imports_nothing_that_can_act(file: Path) -> None:
    found = [module for module in imports(file.read_text(encoding="utf-8")) if not is_allowed(module)]
    assert [module for module in found if not f"{module}.".startswith("dispatcher.cmpp.")] == []


@pytest.mark.parametrize(
    "module", ["time", "aiohttp", "polars", "dispatcher.log.port", "dispatcher.config.file", "os.path", "consumers"]
)
def test_the_rule_refuses_what_acts(module: str) -> None:
    assert not is_allowed(module)
