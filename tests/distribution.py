"""Which tests run in the same process of `pytest -n N`, and which start first.

One test at a time, unless tests share what is dear to make. The longest start first: a long test that starts last
keeps one process busy while the others have nothing left to do.

What a module's fixture makes (a wheel, a simulator, the processes of a life of crashes) is made once in each process
that runs one of the module's tests. `xdist_group` cannot say it: pytest-xdist 3.8 does not see it under pytest 9.2.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling

ROOT: Final = Path(__file__).parents[1]
MODULE_FIXTURE: Final = 'scope="module"'
LONGEST_FIRST: Final = (
    "tests/test_lint.py",
    "tests/crash/",
    "tests/console/test_campaign_by_browser.py",
    "tests/console/test_pages.py",
    "tests/e2e/test_readme_tour.py",
    "tests/e2e/",
    "tests/house/test_install_from_pins.py",
    "tests/console/",
    "tests/simulation/test_histories.py",
    "tests/log/test_kafka_log.py",
    "tests/consumers/lanes/test_slow_steps.py",
    "tests/store/test_join_property.py",
    "tests/simulation/",
    "tests/loadtest/scenarios/",
    "tests/loadtest/test_broker.py",
    "tests/cli/",
    "tests/producers/webhooks/test_hostile.py",
    "tests/producers/api/test_schemathesis.py",
    "tests/vendors/",
    "tests/house/",
    "tests/core/flow/",
)
"""Beginnings of the names of tests that take seconds (`pytest --durations=80`); the others take milliseconds."""


class ByWhatTheyShare(LoadScopeScheduling):  # type: ignore[misc]
    """Tests with the same group run one after another in one process; groups start in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget a group that is done: xdist counts what is left of all groups of a process after every test."""
        super().mark_test_complete(node, item_index, duration)
        group = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][group].values()):
            del self.assigned_work[node][group]


def rank_of(nodeid: str) -> int:
    """Tests with a lower rank start first."""
    ranks = (rank for rank, beginning in enumerate(LONGEST_FIRST) if nodeid.startswith(beginning))
    return next(ranks, len(LONGEST_FIRST))


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
