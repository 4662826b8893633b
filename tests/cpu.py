"""What tests cost in processor time, with the processes they start, and what follows from it.

On a busy machine it stays what it is, where seconds of a clock do not. `pytest --cpu 20` prints the
files and tests that cost most; `pytest --costs` notes in `costs.json` what it has measured, which
decides on what is begun first and what is `slow`.
"""

from __future__ import annotations

import json
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forkserver

_KEY = "seconds of CPU"
_BEFORE = pytest.StashKey[float]()

COSTS = Path(__file__).with_name("costs.json")
SLOW = 0.1  # seconds of a test that `make test-fast` leaves out
LONG = 2.0  # seconds of a file whose place in the order matters


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, default=0, metavar="N", help="the N files that cost most")
    parser.addoption("--costs", action="store_true", help=f"note what was measured in {COSTS.name}")


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


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest are begun first, so that all processes end together."""
    costs = _read()
    files, tests = costs["files"], costs["tests"]
    items.sort(key=lambda item: -files.get(_file(item.nodeid), 0.0))
    for item in items:
        if tests.get(_name(item.nodeid), 0.0) >= SLOW:
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                tests[_name(report.nodeid)] += _seconds(report)
    files: Counter[str] = Counter()
    for name, seconds in tests.items():
        files[_file(name)] += seconds
    if config.getoption("--costs"):
        _write(files, tests)
    count = config.getoption("--cpu")
    if count:
        terminalreporter.section(f"{_KEY}, {files.total():.0f} in all")
        for counter in (files, tests):
            for name, seconds in counter.most_common(count):
                terminalreporter.write_line(f"{seconds:8.1f} {name}")
            terminalreporter.write_line("")


def _seconds(report: pytest.TestReport) -> float:
    return float(dict(report.user_properties).get(_KEY, 0.0))


def _name(nodeid: str) -> str:
    """Without the folder: no two files are called the same, and some move."""
    file, colons, test = nodeid.partition("::")
    return file.rpartition("/")[2] + colons + test


def _file(nodeid: str) -> str:
    return _name(nodeid).split("::")[0]


def _read() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(COSTS.read_text(encoding="utf-8"))
    return found


def _write(files: Counter[str], tests: Counter[str]) -> None:
    """Replace what is known of the tests that ran. Names that hold where this checkout lies are of
    no use elsewhere, and left out."""
    known = _read()
    measured = {"files": (files, LONG), "tests": (tests, SLOW)}
    for kind, (seconds, least) in measured.items():
        kept = {name: cost for name, cost in known[kind].items() if name not in seconds}
        new = {
            name: round(cost, 1)
            for name, cost in seconds.items()
            if cost >= least and str(COSTS.parent.parent) not in name
        }
        known[kind] = dict(sorted((kept | new).items()))
    COSTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
