"""A fix of some pictures leaves the others alone, to the byte."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from simple import picture
from test_fix_rules import CASES, snapshot
from test_rules import GOOD_2, found, line, photo

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.fix.steps import REMEDIES
from hubtools.errors import UsageError
from hubtools.settings import DatasetSettings

# their settings, or a link to what lies above, would spoil the others as well
ALONE = {"D505", "D209-copy-links", "D222", "D221", "D401", "D402", "D403"}


def _set(root: Path, seed: int) -> Path:
    """Three pictures with a table of their own."""
    rows = []
    for number in range(3):
        picture(root / f"{number}.png", number + seed)
        rows.append({"file_name": f"{number}.png", "text": f"(tok), view {number}"})
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_remedies_that_act_one_by_one_stay_in_their_files(
    tmp_path: Path, settings: DatasetSettings
) -> None:
    """Every kind of ill twice, in a folder that is to be repaired and in one that is not."""
    root, tried, names = tmp_path / "set", set(), set()
    for number, (rule, name, spoil, _) in enumerate(CASES):
        if REMEDIES[rule].each and not {rule, f"{rule}-{name}"} & ALONE:
            for side in ("mine", "theirs"):
                spoil(_set(root / f"{number:03}" / side, 7 * number))
            tried.add(rule)
            names.add(name)
    names -= {"", "remove-unlisted", "remove-small"}  # what is cured otherwise would go
    plan = plan_fix(root, settings, unsafe=sorted(names), resolution=64, only=["*/mine/*"])
    touched = [one for op in plan.operations for one in (op.path, op.target) if one]
    assert {one.split("/")[1] for one in touched} == {"mine"}
    cured = {rule for op in plan.operations for rule in op.rules}
    assert tried - cured == {"D304"}


@pytest.mark.parametrize(
    ("rule", "name", "spoilt"),
    [
        ("D504", "add-trigger", {"text": "a hat"}),
        ("D507", "", {"text": "(tok)\x07"}),
        ("D508", "", {"text": ["(tok)", "hat"]}),
        ("D502", "", {"text": ""}),
    ],
)
def test_one_record_of_several(
    good: Path, settings: DatasetSettings, rule: str, name: str, spoilt: dict[str, Any]
) -> None:
    for number in (1, 2):
        line(number + 1, {"file_name": f"{number}.png"} | spoilt)(good)
        (good / f"{number}.txt").write_text(f"(tok), beside {number}")
    before = snapshot(good)
    options: Any = {"select": [rule], "unsafe": [name] if name else [], "only": ["1.png"]}
    fix(good, settings, **options)
    after = snapshot(good)
    changed = {key for key in before if before[key] != after.get(key)}
    assert changed - {"1.txt"} == {"metadata.jsonl"}
    old, new = (str(side["metadata.jsonl"]).split("\\n") for side in (before, after))
    assert [n for n in range(3) if old[n] != new[n]] == [1]
    assert [f.line for f in found(good, settings) if f.rule == rule] == [3]
    undo_fix(good)
    assert snapshot(good) == before


def test_what_the_project_ignores_in_a_file_is_not_repaired_there(
    good: Path, settings: DatasetSettings
) -> None:
    for number in (1, 2):
        line(number + 1, {"file_name": f"{number}.png", "text": f"hat {number}"})(good)
    rules = {"per_file_ignores": {"2.png": ["d5"]}}
    plan = plan_fix(good, settings, unsafe=["add-trigger"], rules=rules)
    lines = list(plan.diff())
    assert any("(tok), hat 1" in line for line in lines)
    assert not any("(tok), hat 2" in line for line in lines)


def test_copies_go_where_the_best_of_them_is_meant(good: Path, settings: DatasetSettings) -> None:
    (good / "2.png").write_bytes((good / "1.png").read_bytes())
    options: Any = {"unsafe": ["delete-duplicates"], "select": ["D401"]}
    assert not plan_fix(good, settings, only=["0.png"], **options).operations
    (best,) = (f.path for f in found(good, settings) if f.rule == "D401")
    plan = plan_fix(good, settings, only=[str(best)], **options)
    assert "remove" in {op.action.value for op in plan.operations}


def test_one_near_duplicate_goes_as_its_advice_says(good: Path, settings: DatasetSettings) -> None:
    rows = []
    for number in (1, 2):
        photo(number).save(good / f"{number}.png")
        photo(number).resize((128, 96)).save(good / f"{number} [small].png")
        names = (f"{number}.png", f"{number} [small].png")
        rows += [{"file_name": name, "text": f"(tok), view {name}"} for name in names]
    (good / "0.png").unlink()
    (good / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    advice = {f.path: str(f.fix) for f in found(good, settings) if f.rule == "D403"}
    assert len(advice) == 2
    assert [path for path, fix in advice.items() if "--mirrored-copies finds" in fix] == ["1.png"]
    *_, only, _, unsafe = shlex.split(advice["1.png"].split("`")[1])
    fix(good, settings, only=[only], unsafe=[unsafe])
    assert [f.path for f in found(good, settings) if f.rule == "D403"] == ["2.png"]
    assert not (good / "1 [small].png").exists()
    assert (good / "2 [small].png").exists()
    assert "1 [small].png" not in (good / "metadata.jsonl").read_text()


def test_what_cannot_be_meant_is_a_sentence(good: Path, settings: DatasetSettings) -> None:
    with pytest.raises(UsageError, match="--only 'nowhere/' means no file"):
        plan_fix(good, settings, only=["nowhere/"])
    with pytest.raises(UsageError, match="D119: what `fix` does about it is for a whole file"):
        plan_fix(good, settings, only=["1.png"], select=["D119"])
    line(3, GOOD_2 | {"age": 1})(good)
    assert not plan_fix(good, settings, only=["1.png"]).operations


def test_what_is_done_alike_to_many_files_is_told_once(tmp_path: Path) -> None:
    done = [
        Operation(Action.EDIT, f"{n}.jpg", f"{n}.jpg", ("D701",), ("blank the position",))
        for n in range(6)
    ]
    other = Operation(Action.REMOVE, ".DS_Store", None, ("D704",), ("left behind",))
    plan = FixPlan(tmp_path, (*done[:3], other, *done[3:]))
    assert list(plan.diff(grouped=True)) == [
        "edit    6 files  (D701: blank the position)",
        "        0.jpg, 1.jpg, 2.jpg and 3 more; --verbose lists all",
        other.line,
    ]
    assert list(plan.diff()) == [op.line for op in plan.operations]
    assert list(FixPlan(tmp_path, tuple(done[:4])).diff(grouped=True)) == [
        op.line for op in done[:4]
    ]
