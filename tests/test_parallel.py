"""The runner of the suite, tried on a suite of its own: `pytest --workers 2` in a folder of a few
small files, where nothing is imported that takes long."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

CONFTEST = """
import os
import pytest
from tests import forkserver, homes

homes.make()
forkserver.import_all = forkserver.import_plain = lambda: None  # no command is run here
forkserver.branch = lambda: None
pytest_plugins = ["tests.parallel"]

def note(what):
    with open("notes", "a") as file:
        file.write(f"{what} {os.getpid()}\\n")

@pytest.fixture(scope="session")
def home():
    note("begins")
    yield os.environ["HF_HOME"]
    note("ends")

@pytest.fixture(scope="module")
def of_file(request):
    note(request.path.name)

@pytest.fixture
def place(home):
    note(home)
    return home
"""
FAILING = """
import time, warnings

def test_passes(place):
    time.sleep(0.06)

def test_fails(place):
    warnings.warn("that is odd")
    print("said before it failed")
    assert 1 + 1 == 3

def test_goes_on(place):
    pass
"""
KILLED = """
import os, signal

def test_before(place):
    pass

def test_is_killed(place):
    os.kill(os.getpid(), signal.SIGKILL)

def test_after(place):
    pass
"""
SEVERAL = """
import pytest

@pytest.mark.parametrize("value", ["one", "two", "three"])
def test_of(value, of_file, place):
    assert value

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass
"""
STOPS = """
import time

def test_fails():
    assert not "first"

def test_hangs():
    time.sleep(60)
"""


WARNS = """
import warnings

def test_warns():
    warnings.warn("that is odd")
"""
WAITS = """
import time
from pathlib import Path

def test_waits(place):
    while Path("notes").read_text().count("/") < 6 * place.count("/"):
        time.sleep(0.01)
"""
NOTES = """
def test_passes(place):
    pass
"""
EARLY = ("--early", "early.txt")
NEEDS_TORCH = """
def test_imports_it():
    import torch

def test_after():
    pass
"""


class Ran(NamedTuple):
    code: int
    said: str
    outcomes: dict[str, str]
    notes: list[list[str]]


def run(folder: Path, files: dict[str, str], *options: str) -> Ran:
    """The suite of these files, and of as many others as there are processes, at least."""
    others = {f"test_z{n}.py": "def test_passes(place):\n    pass\n" for n in range(2)}
    for name, text in {
        "conftest.py": CONFTEST,
        "pytest.ini": "[pytest]\n",
        **files,
        **others,
    }.items():
        (folder / name).write_text(text)
    words = ("-m", "pytest", "--workers", "2", "-v", "-p", "no:cacheprovider", *options)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TMPDIR": str(folder),
        "COLUMNS": "120",
    }
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    notes = (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []
    assert not done.stderr
    outcomes = re.findall(
        r"^(test_\S+)(?: (PASSED|FAILED|SKIPPED|ERROR))", done.stdout, re.MULTILINE
    )
    return Ran(done.returncode, done.stdout, dict(outcomes), [note.split() for note in notes])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    files = {"test_a.py": FAILING, "test_b.py": KILLED, "test_c.py": SEVERAL}
    return run(tmp_path_factory.mktemp("suite"), files, "--durations=1")


def test_each_test_is_run_once_and_told(ran: Ran) -> None:
    assert ran.outcomes == {
        "test_a.py::test_passes": "PASSED",
        "test_a.py::test_fails": "FAILED",
        "test_a.py::test_goes_on": "PASSED",
        "test_b.py::test_before": "PASSED",
        "test_b.py::test_is_killed": "FAILED",
        "test_b.py::test_after": "PASSED",
        "test_c.py::test_of[one]": "PASSED",
        "test_c.py::test_of[two]": "PASSED",
        "test_c.py::test_of[three]": "PASSED",
        "test_c.py::test_is_skipped": "SKIPPED",
        "test_z0.py::test_passes": "PASSED",
        "test_z1.py::test_passes": "PASSED",
    }
    assert "2 failed, 9 passed, 1 skipped, 1 warning" in ran.said
    assert ran.code == pytest.ExitCode.TESTS_FAILED


def test_a_failure_is_told_with_all_that_belongs_to_it(ran: Ran) -> None:
    for told in ("assert (1 + 1) == 3", "said before it failed", "UserWarning: that is odd"):
        assert told in ran.said


def test_a_process_that_is_killed_is_told_by_its_test(ran: Ran) -> None:
    assert "FAILED test_b.py::test_is_killed - The process ended with -9." in ran.said


def test_how_long_tests_take_is_told(ran: Ran) -> None:
    assert re.search(r"^0\.\d+s call +test_a\.py::test_passes$", ran.said, re.MULTILINE)


def test_each_process_has_fixtures_of_its_own(ran: Ran) -> None:
    begun = [pid for what, pid in ran.notes if what == "begins"]
    ended = [pid for what, pid in ran.notes if what == "ends"]
    assert 2 <= len(begun) <= 3  # two, and one in the place of that which was killed
    assert len(begun) == len(set(begun))
    assert len(ended) == len(set(begun) & set(ended)) == len(begun) - 1
    (of_file,) = (pid for what, pid in ran.notes if what == "test_c.py")
    assert of_file in begun
    homes = {(what, pid) for what, pid in ran.notes if "/" in what}
    assert len({home for home, _ in homes}) == len(homes) == len(begun)


def test_the_first_failure_ends_it_where_that_is_asked_for(tmp_path: Path) -> None:
    stopped = run(tmp_path, {"test_a.py": STOPS}, "-x")
    assert stopped.code == pytest.ExitCode.TESTS_FAILED
    assert stopped.outcomes["test_a.py::test_fails"] == "FAILED"
    assert "test_a.py::test_hangs" not in stopped.outcomes
    assert "stopping after 1 failures" in stopped.said


def test_all_is_well(tmp_path: Path) -> None:
    done = run(tmp_path, {"early.txt": "test_c.py\n", "test_c.py": SEVERAL}, *EARLY)
    assert done.code == pytest.ExitCode.OK
    assert "5 passed, 1 skipped" in done.said
    (early,) = (pid for what, pid in done.notes if what == "test_c.py")
    (home,) = {what for what, pid in done.notes if pid == early and "/" in what}
    assert "/early/" in home
    assert len({pid for what, pid in done.notes if what == "begins"}) > 1


def test_what_was_begun_early_and_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    files = {"early.txt": "test_b.py\ntest_c.py\n", "test_b.py": KILLED, "test_c.py": SEVERAL}
    done = run(tmp_path, files, *EARLY)
    assert done.outcomes == {
        "test_b.py::test_before": "PASSED",
        "test_b.py::test_is_killed": "FAILED",
        "test_b.py::test_after": "PASSED",
        "test_c.py::test_of[one]": "PASSED",
        "test_c.py::test_of[two]": "PASSED",
        "test_c.py::test_of[three]": "PASSED",
        "test_c.py::test_is_skipped": "SKIPPED",
        "test_z0.py::test_passes": "PASSED",
        "test_z1.py::test_passes": "PASSED",
    }


def test_what_needs_pytorch_is_not_begun_early(tmp_path: Path) -> None:
    files = {"early.txt": "test_t.py\n", "test_t.py": NEEDS_TORCH, "torch.py": ""}
    assert run(tmp_path, files).code == pytest.ExitCode.OK
    done = run(tmp_path, files, *EARLY)
    assert done.outcomes["test_t.py::test_imports_it"] == "FAILED"
    assert "This needs PyTorch: it does not belong in the list." in done.said


def test_others_help_with_what_was_begun_early(tmp_path: Path) -> None:
    files = {"test_v.py": WAITS} | {f"test_w{n}.py": NOTES for n in range(3)}
    done = run(tmp_path, {**files, "early.txt": "\n".join(files)}, *EARLY)
    assert done.code == pytest.ExitCode.OK
    homes = [what for what, _ in done.notes if "/" in what]
    assert sum("/early" in home for home in homes) == 1
    assert len(homes) == 6


def test_a_warning_is_told_once(tmp_path: Path) -> None:
    done = run(tmp_path, {"early.txt": "test_o.py", "test_o.py": WARNS}, *EARLY)
    assert "3 passed, 1 warning" in done.said
    assert done.said.count("that is odd") == 2  # and the line of code
