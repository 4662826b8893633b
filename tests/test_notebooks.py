"""What notebooks show is escaped, and bounded; work says there how far it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import hubtools
from hubtools import notebooks
from hubtools.findings import Finding, Report, Severity
from hubtools.journey.travel import JourneyReporter
from hubtools.progress import NotebookReporter, unasked


def test_a_report_shows_itself() -> None:
    bad = "<img src=x onerror=alert(1)>\x1b[31m"
    found = tuple(Finding("D101", Severity.ERROR, bad, bad, bad, n) for n in range(300))
    shown = Report(bad, found)._repr_html_()
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert shown.count("<tr>") == 1 + 100 + 1
    assert "and 200 more" in shown
    assert "no problems found" in Report("pictures")._repr_html_()
    assert str(Report("pictures")) == "pictures: no problems found"


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What stands below the cell of a kernel: the states of each line."""
    lines: list[list[str]] = []

    def display(told: dict[str, str], *, raw: bool, display_id: bool) -> object:
        assert raw
        assert display_id
        states = [told["text/plain"]]
        lines.append(states)

        def update(told: dict[str, str], *, raw: bool) -> None:
            assert raw
            states.append(told["text/plain"])

        return SimpleNamespace(update=update)

    python, shown = ModuleType("IPython"), ModuleType("IPython.display")
    vars(python).update(get_ipython=lambda: SimpleNamespace(kernel=object()), display=shown)
    vars(shown).update(display=display)
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    monkeypatch.setattr(notebooks, "_PAUSE", 0.0)
    return lines


def test_how_far_work_is_stands_below_the_cell(cell: list[list[str]]) -> None:
    told = notebooks.followed("drawing")
    assert told is not None
    for done in (1, 2):
        told(done, 2)
    reporter = unasked()
    with reporter.progress("training", 1000, 10) as advance:
        advance(1, "loss 0.1")
        advance(989, "")
    assert cell[0] == ["drawing: 1 of 2", "drawing: 2 of 2"]
    assert cell[1][0].startswith("training: 11 of 1,000, ")
    assert cell[1][0].endswith(" left, loss 0.1")
    assert cell[1][1] == "training: 1,000 of 1,000"


def test_a_line_is_not_written_anew_all_the_time(
    cell: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebooks, "_PAUSE", 1000.0)
    told = notebooks.followed("drawing")
    assert told is not None
    for done in range(1, 51):
        told(done, 50)
    assert cell == [["drawing: 1 of 50", "drawing: 50 of 50"]]


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])
def test_elsewhere_nobody_is_told(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    python = ModuleType("IPython")
    vars(python).update(get_ipython=lambda: shell)
    for module in (None, python):  # not there, or in a terminal
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert notebooks.followed("drawing") is None
        assert not isinstance(unasked(), NotebookReporter)


def test_a_journey_names_its_steps_below_the_cell(
    cell: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def walk(project: object, narrator: JourneyReporter, **asked: object) -> None:
        narrator.started("train", "train a LoRA")
        with narrator.progress("training", 2) as advance:
            advance(2, "")
        narrator.done("train", "2 steps", 61.0)
        narrator.skipped("card", "write the card", "nothing has changed")

    monkeypatch.setattr("hubtools.journey.ship.ship", walk)
    hubtools.ship(hubtools.init(tmp_path / "people").root)
    said = ["> train: train a LoRA", "  train: 2 steps [1 min 1 s]"]
    assert capsys.readouterr().out.splitlines() == [*said, "- card: skipped, nothing has changed"]
    assert cell == [["training: 2 of 2"]]
