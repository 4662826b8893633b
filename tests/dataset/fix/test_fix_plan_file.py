"""`fix --plan` and `fix --from-plan`: on the folder as it was, and on no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import hubtools
from hubtools.dataset.edits import pixels
from hubtools.dataset.edits.pixels import Refused
from tests.drawing import write_pictures
from tests.planning import tree
from tests.typed import typed


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """A comma too many, what a Mac left, and a picture that says where it was taken."""
    root = tmp_path / "people"
    root.mkdir()
    tags = Image.Exif()
    tags.get_ifd(0x8825)[1] = "N"
    for number in range(3):
        picture = Image.new("RGB", (64, 64), (80 * number, 9, 9))
        picture.save(root / f"{number}.jpg", exif=tags if number else b"")
    rows = [json.dumps({"file_name": f"{n}.jpg", "text": f"number {n}"}) for n in range(3)]
    (root / "metadata.jsonl").write_text(",\n".join(rows) + "\n")
    (root / ".DS_Store").write_bytes(b"x")
    return root


@pytest.fixture
def plan(sick: Path) -> Path:
    path = sick.parent / "plan.json"
    before = tree(sick)
    done = typed("fix", sick, "--plan", path)
    assert done.returncode == 0, done.stderr
    assert tree(sick) == before
    assert "remove  .DS_Store" in done.stdout
    return path


def test_it_does_what_doing_it_at_once_does(sick: Path, plan: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(sick, twin)
    assert typed("fix", twin, "--yes").returncode == 0
    shown = typed("fix", "--from-plan", plan)
    assert (shown.returncode, "remove  .DS_Store" in shown.stdout) == (3, True), shown.stderr
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    assert tree(sick) == tree(twin)
    again = typed("fix", "--from-plan", plan, "--yes")
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    assert typed("fix", sick, "--undo").returncode == 0
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    assert tree(sick) == tree(twin)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "0.jpg").write_bytes(b"\xff\xd8else"), "changed: 0.jpg"),
        (lambda d: (d / "new.txt").write_text("new"), "added: new.txt"),
        (lambda d: (d / "2.jpg").unlink(), "deleted: 2.jpg"),
        (lambda d: (d / "0.jpg").rename(d / "9.jpg"), "added: 9.jpg; deleted: 0.jpg"),
        (lambda d: (d / "link").symlink_to("0.jpg"), "added: link"),
    ],
)
def test_another_state_of_the_folder(sick: Path, plan: Path, change: Any, words: str) -> None:
    change(sick)
    now = tree(sick)
    told = typed("fix", "--from-plan", plan, "--yes")
    assert (told.returncode, words in told.stderr) == (1, True), told.stderr
    assert f"hubtools fix {sick} --plan {plan}" in told.stderr
    assert tree(sick) == now


def test_a_picture_that_was_edited_after_the_plan_was_done(sick: Path, plan: Path) -> None:
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    (sick / "1.jpg").write_bytes((sick / "0.jpg").read_bytes())
    told = typed("fix", "--from-plan", plan, "--yes")
    assert (told.returncode, "1.jpg" in told.stderr) == (1, True), told.stderr


def test_a_plan_travels(sick: Path, plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    shutil.copytree(sick, away / "people")
    shutil.copy(plan, away)
    words = ("fix", "--from-plan", away / "plan.json", "--yes")
    other: dict[str, Any] = {"HUBTOOLS_CONFIG": str(tmp_path / "config")}
    before = tree(away / "people")
    told = typed(*words, **other)
    assert told.returncode == 1
    for line in ("copied or moved here", "remove  .DS_Store", "--trust-state"):
        assert line in told.stderr
    shown = typed(*words[:-1], "--dry-run", **other)
    assert (shown.returncode, "remove  .DS_Store" in shown.stdout) == (0, True), shown.stderr
    assert tree(away / "people") == before
    assert typed(*words, "--trust-state", **other).returncode == 0
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    assert tree(away / "people") == tree(sick)
    moved = away / "elsewhere"
    shutil.copytree(sick, moved)
    told = typed("fix", moved, "--from-plan", plan, "--yes")
    assert (told.returncode, "changed since" in told.stderr) == (1, True), told.stderr


def test_a_plan_inside_its_folder_is_no_change(sick: Path) -> None:
    path = sick / "plan.json"
    for _ in range(2):
        assert typed("fix", sick, "--plan", path).returncode == 0
    assert json.loads(path.read_text())["root"] == "."
    assert typed("fix", "--from-plan", "plan.json", "--yes", cwd=sick).returncode == 0


def test_what_cannot_be_edited_is_not_in_the_plan(
    sick: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(data: bytes, _: str) -> bytes:
        raise Refused("it is not to be")

    monkeypatch.setitem(pixels._EDITS, "scrub", refuse)
    assert typed("fix", sick, "--plan", plan).returncode == 0
    left = {op["path"] for op in json.loads(plan.read_text())["operations"]}
    assert left == {".DS_Store", "metadata.jsonl"}
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0


def test_the_old_way_to_say_it(sick: Path, plan: Path) -> None:
    before = plan.read_bytes()
    told = typed("fix", sick, "--plan", plan, "--yes")
    assert (told.returncode, "fix --from-plan FILE" in told.stderr) == (2, True), told.stderr
    assert plan.read_bytes() == before
    for words in (("--unsafe", "rotate"), ("--undo",), ("--select", "D1"), ("--trigger", "x")):
        told = typed("fix", "--from-plan", plan, *words)
        assert (told.returncode, words[0] in told.stderr) == (2, True), told.stderr


def test_who_says_yes_and_dry_run_only_looks(sick: Path, plan: Path, tmp_path: Path) -> None:
    whole = write_pictures(tmp_path / "whole", 2)
    for folder, words in (
        (sick, ("fix", sick)),
        (sick, ("fix", "--from-plan", plan)),
        (whole, ("caption", whole, "--replace", "photo=picture")),
    ):
        before = tree(folder)
        done = typed(*words, "--yes", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert tree(folder) == before


def test_called_it_writes_the_same_plan_and_carries_it_out(
    sick: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sick.parent)
    beside = sick.parent / "called.json"
    before = tree(sick)
    made = hubtools.fix(sick, plan_file=beside)
    assert made.journal is None
    assert beside.read_bytes() == plan.read_bytes()
    assert hubtools.fix(from_plan=beside, dry_run=True).plan.operations == made.plan.operations
    assert tree(sick) == before
    with pytest.raises(hubtools.UsageError, match="nothing else"):
        hubtools.fix(from_plan=beside, select=["D1"])
    done = hubtools.fix(from_plan=beside)
    assert done.journal is not None
    assert tree(sick) != before
    assert hubtools.fix(from_plan=beside).plan.done
    hubtools.undo_fix(sick)
    # what was planned is done, without another look
    planned = hubtools.fix(sick, dry_run=True)
    assert hubtools.fix(sick, plan=planned.plan).plan is planned.plan
    assert hubtools.fix(from_plan=beside).plan.done


def test_called_with_the_plan_of_another_it_refuses(sick: Path, plan: Path) -> None:
    saved = json.loads(plan.read_text())
    plan.write_text(json.dumps(saved | {"seal": {"mac": "00"}}))
    before = tree(sick)
    with pytest.raises(hubtools.HubtoolsError, match="copied or moved here"):
        hubtools.fix(sick, from_plan=plan)
    planned = hubtools.fix(sick, from_plan=plan, dry_run=True).plan
    with pytest.raises(hubtools.HubtoolsError):
        hubtools.fix(sick, plan=planned)
    assert tree(sick) == before
    assert hubtools.fix(sick, plan=planned, trust_state=True).journal is not None
