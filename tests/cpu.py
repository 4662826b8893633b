"""`pytest --cpu`: seconds of processor time of each file of tests, with the processes it started.

On a busy machine they stay what they are, where seconds of a clock do not.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests import forkserver

_KEY = "seconds of CPU"
_BEFORE = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, default=0, metavar="N", help="the N files that cost most")


def spent() -> float:
    """Seconds of this process so far, and of those that it started and that have ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used) + forkserver.spent()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEFORE] = spent()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[Any]:
    report: pytest.TestReport = yield
    now = spent()
    report.user_properties = [*report.user_properties, (_KEY, now - item.stash[_BEFORE])]
    item.stash[_BEFORE] = now
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    count = config.getoption("--cpu")
    if not count:
        return
    files: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            seconds = dict(getattr(report, "user_properties", ())).get(_KEY, 0.0)
            if seconds:
                files[report.nodeid.split("::")[0]] += seconds
                tests[report.nodeid] += seconds
    terminalreporter.section(f"{_KEY}, {files.total():.0f} in all")
    for counter in (files, tests):
        for name, seconds in counter.most_common(count):
            terminalreporter.write_line(f"{seconds:8.1f} {name}")
        terminalreporter.write_line("")
