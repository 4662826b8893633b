"""`hubtools fix` as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_fix_rules import snapshot
from test_rules import line, put

import hubtools
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.fix.steps import REMEDIES
from tests.typed import typed


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return typed("fix", *arguments)


SET = ("--trigger=(tok)", "--license=cc0-1.0", "--rights=own", "--resolution=64")


@pytest.fixture
def sick(good: Path) -> Path:
    line(2, '{"file_name": "1.png", "text": "(tok), ☃ 1",}')(good)
    put(".DS_Store", "x")(good)
    return good


def test_the_whole_way(sick: Path) -> None:
    before = snapshot(sick)
    shown = run(sick, *SET)
    assert shown.returncode == 3
    assert "--yes" in shown.stderr
    assert '+{"file_name": "1.png", "text": "(tok), ☃ 1"}' in shown.stdout.splitlines()
    assert "remove  .DS_Store  (D704: left behind by another program)" in shown.stdout
    dry = run(sick, *SET, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, shown.stdout)
    assert snapshot(sick) == before
    assert not (sick / ".hubtools").exists()

    done = run(sick, *SET, "--yes")
    assert done.returncode == 0, done.stderr
    assert "2 changes applied" in done.stdout
    assert sorted(snapshot(sick)) == ["0.png", "1.png", "2.png", "metadata.jsonl"]
    assert "Nothing to fix" in run(sick, *SET).stdout
    (row,) = json.loads(run(sick, "--journal", "--format", "json").stdout)
    assert (row["state"], row["changes"], row["rules"]) == ("done", 2, ["D101", "D704"])

    assert run(sick, "--undo", "--id", row["id"]).returncode == 0
    assert snapshot(sick) == before
    again = run(sick, "--undo")
    assert (again.returncode, "no fix to undo" in again.stderr) == (1, True)
    assert run(sick, "--purge").returncode == 2
    assert run(sick, "--purge", "--yes").returncode == 0
    assert not (sick / ".hubtools").exists()


def test_a_saved_plan_is_replayed(sick: Path, tmp_path: Path) -> None:
    plan = run(sick, *SET, "--dry-run", "--format", "json")
    assert plan.returncode == 0
    content = json.loads(plan.stdout)
    assert [op["rules"] for op in content["operations"]] == [["D101"], ["D704"]]
    assert content["applied"] is False
    assert (content["schema"], content["kind"], content["root"]) == (3, "fix", sick.name)
    (tmp_path / "plan.json").write_text(plan.stdout)
    done = run(sick, "--from-plan", tmp_path / "plan.json", "--yes", "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["applied"], bool(told["journal"])) == (0, True, True)
    late = run(sick, "--from-plan", tmp_path / "plan.json", "--yes")
    assert (late.returncode, "done already" in late.stdout) == (0, True), late.stderr
    (sick / "metadata.jsonl").write_text("else")
    late = run(sick, "--from-plan", tmp_path / "plan.json", "--yes")
    assert late.returncode == 1
    assert "has changed since the plan was made" in late.stderr


def test_formats_and_selection(sick: Path) -> None:
    quiet = ("fix", sick, *SET, "-q", "--dry-run")
    assert typed(*quiet).stdout == "metadata.jsonl\n.DS_Store\n"
    assert typed(*quiet, "--select", "D7").stdout == ".DS_Store\n"
    assert typed(*quiet, "--ignore", "D7").stdout == "metadata.jsonl\n"
    table = typed("fix", sick, *SET, "--format", "agent", "--dry-run").stdout.splitlines()
    assert table[0] == "action\tpath\ttarget\trules\twhy"
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    words = [sys.executable, "-m", "hubtools", "fix", str(sick), *SET, "--dry-run"]
    plain = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (plain.returncode, r"\u2603" in plain.stdout) == (0, True), plain.stderr


def test_rules_that_the_project_ignores_are_left_alone(sick: Path) -> None:
    (sick.parent / "hubtools.toml").write_text(
        f'[dataset]\npath = "{sick.name}"\n[rules]\nignore = ["D7"]\n'
    )
    assert run(sick.parent, *SET, "-q", "--dry-run").stdout == "metadata.jsonl\n"
    assert run(sick.parent, *SET, "-q", "--dry-run", "--select", "D7").stdout == ".DS_Store\n"


def test_escape_sequences_of_a_caption_do_not_reach_the_terminal(good: Path) -> None:
    (good / "metadata.jsonl").unlink()
    put("metadata.csv", "file_name; text\n0.png;(tok) \x1b[31mred\n")(good)
    shown = typed("fix", good, *SET, "--dry-run").stdout
    assert "\x1b" not in shown
    assert r"\x1b[31mred" in shown


def test_unsafe_fixes_are_asked_for_by_name(good: Path) -> None:
    line(2, '"1.png"')(good)
    told = typed("fix", good, *SET)
    assert told.returncode == 0
    assert "D104: --unsafe drop-rows" in told.stderr
    assert typed("fix", good, *SET, "--unsafe", "drop-rows", "--yes").returncode == 0
    assert len((good / "metadata.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere",), 1, "nowhere"),
        (("nowhere", "--undo"), 1, "nowhere"),
        ((".", "--unsafe", "drop-row"), 2, "did you mean drop-rows"),
        ((".", "--unsafe", "flatten-alpha=blurple"), 2, "no colour"),
        ((".", "--unsafe", "convert=gif"), 2, "png or jpeg"),
        ((".", "--unsafe", "drop-rows=1"), 2, "takes no value"),
        ((".", "--select", "D999"), 2, "D999"),
        ((".", "--undo", "--dry-run"), 2, "exclude each other"),
        ((".", "--id", "x"), 2, "--undo"),
        ((".", "--from-plan", "missing.json"), 1, "missing.json"),
    ],
)
def test_mistakes_get_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = typed("fix", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) <= 2


def test_help_lists_what_is_unsafe() -> None:
    done = typed("fix", "--help")
    for name in UNSAFE:
        assert f"  {name} " in done.stdout


def test_a_person_is_asked(sick: Path) -> None:
    pty = pytest.importorskip("pty")
    before = snapshot(sick)
    for answer, code in ((b"n\n", 3), (b"y\n", 0)):
        terminal, end = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "hubtools", "fix", str(sick), *SET],
            stdin=end, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.write(terminal, answer)
        _, errors = process.communicate()
        os.close(terminal)
        os.close(end)
        assert process.returncode == code, errors
        assert b"Apply 2 changes?" in errors
        assert (snapshot(sick) == before) == (code == 3)


def test_the_page_and_the_python_function_tell_the_same(sick: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "fix.md").read_text(encoding="utf-8")
    for name, what in UNSAFE.items():
        assert f"| `{name}` | {what} |" in page
    for rule, remedy in REMEDIES.items():
        names = ", ".join(f"`{name}`" for name in remedy.unsafe)
        assert f"| {rule} | {remedy.safe or ''} | {names} |" in page
    settings = hubtools.load_project(None).dataset.model_copy(update={"trigger": "(tok)"})
    plan = hubtools.plan_fix(sick, settings, resolution=64)
    done = hubtools.fix(sick, settings, resolution=64)
    assert plan.operations == done.plan.operations
    assert hubtools.undo_fix(sick).state == "undone"
