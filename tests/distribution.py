"""Which tests run in the same process of `pytest -n N`: one test at a time, unless tests share what is dear to make.

What a module's fixture makes (a wheel, a simulator, the processes of a life of crashes) is made once in each process
that runs one of the module's tests. `xdist_group` cannot say it: pytest-xdist 3.8 does not see it under pytest 9.2.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling

ROOT: Final = Path(__file__).parents[1]
MODULE_FIXTURE: Final = 'scope="module"'


class ByWhatTheyShare(LoadScopeScheduling):  # type: ignore[misc]
    """Tests with the same group run one after another in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """A test's group: its module if the module or its folder has a fixture for the module, else itself.

    The crashes on Kafka are one group, so that there is one broker to kill.
    """
    module = nodeid.partition("::")[0]
    if module.startswith("tests/crash/") and nodeid.endswith("[kafka]"):
        return "crashes on Kafka"
    return module if _shares(module) else nodeid


@functools.cache
def _shares(module: str) -> bool:
    file = ROOT / module
    sources = [
        source.read_text(encoding="utf-8") for source in (file, file.with_name("conftest.py")) if source.exists()
    ]
    return any(MODULE_FIXTURE in source for source in sources)
