"""`pytest --cpu`: which tests cost the most CPU, and which folders, with the processes that they start and wait for.

Wall time says little where tests wait and share cores. A broker or a browser that outlives its test is not counted.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import Final

import pytest

SHOWN: Final = 60
PROPERTY: Final = "cpu_s"


def used_s() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


class CpuTimes:
    """Measures each test where it runs, and adds up where the reports arrive."""

    def __init__(self) -> None:
        self._of_test: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._before_s = used_s()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now_s = used_s()
        report.user_properties.append((PROPERTY, now_s - self._before_s))
        self._before_s = now_s
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._of_test[report.nodeid] += float(str(value))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        of_folder: defaultdict[str, float] = defaultdict(float)
        for test, cpu_s in self._of_test.items():
            of_folder[test.partition("::")[0].rpartition("/")[0]] += cpu_s
        terminalreporter.section("CPU seconds")
        for counted in (of_folder, self._of_test):
            for name, cpu_s in sorted(counted.items(), key=lambda item: -item[1])[:SHOWN]:
                terminalreporter.write_line(f"{cpu_s:8.2f}  {name}")
        terminalreporter.write_line(f"{sum(self._of_test.values()):8.2f}  in all")
