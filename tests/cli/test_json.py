"""`--format json` answers with one JSON document on stdout, whatever happens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner

from hubtools.cli.main import COMMANDS, group
from hubtools.errors import CODES, Code, HubtoolsError
from tests.typed import typed


def _with_format() -> list[tuple[str, ...]]:
    found = []
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        for words, one in (
            [((name, sub), c) for sub, c in command.commands.items()]
            if isinstance(command, click.Group)
            else [((name,), command)]
        ):
            if any(parameter.name == "format" for parameter in one.params):
                found.append(words)
    return found


WITH_FORMAT = _with_format()


def _command(words: tuple[str, ...]) -> click.Command:
    command: Any = group.get_command(click.Context(group), words[0])
    for word in words[1:]:
        command = command.commands[word]
    return command


def one_document(done: Any) -> Any:
    """What stdout holds, parsed as exactly one JSON document."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_every_command_but_the_schema_has_the_option() -> None:
    assert {words[0] for words in WITH_FORMAT} == set(COMMANDS) - {"schema", "help"}


@pytest.mark.parametrize("words", WITH_FORMAT, ids=" ".join)
@pytest.mark.parametrize(
    "wrong",
    [
        ("--frmat", "--format", "json"),
        ("--format", "json", "--no-such-option"),
        ("--format=json", "a", "b", "c", "d", "e", "--no-such-option", "x"),
        ("--no-such-option", "x", "--format", "json", "--project"),
        ("--no-such-option", "x", "--project", "--format", "json"),
    ],
    ids=" ".join,
)
def test_a_usage_error_is_a_document(words: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    done = typed(*words, *wrong)
    said = one_document(done)["error"]
    assert done.returncode == 2
    assert said["code"] == "bad-usage"
    assert said["message"] in done.stderr


@pytest.mark.parametrize("words", WITH_FORMAT, ids=" ".join)
@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (RuntimeError("boom"), "bug", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (SystemExit(3), "bug", 1),
        (MemoryError(), "out-of-memory", 1),
        (FileNotFoundError(2, "No such file or directory", "x"), "file-not-found", 1),
        (HubtoolsError("No.", hint="do", code="busy"), "busy", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_crash_is_a_document(
    words: tuple[str, ...],
    error: BaseException,
    code: str,
    exit_code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(**_: object) -> None:
        print("a library says something")
        sys.stdout.write("and more")
        raise error

    command = _command(words)
    monkeypatch.setattr(command, "callback", crash)
    # only what it must be given
    given = [
        word
        for parameter in command.params
        if parameter.required
        for word in ([parameter.opts[0]] if isinstance(parameter, click.Option) else [])
        + [parameter.type.choices[0] if isinstance(parameter.type, click.Choice) else "x=1"]
    ]
    done = typed(*words, *given, "--format", "json")
    assert one_document(done)["error"]["code"] == code
    assert done.returncode == exit_code
    assert "a library says something" in done.stderr


@pytest.mark.parametrize("words", [("nope",), ("vallidate", "x"), ("hub", "nope"), ()], ids=str)
def test_a_command_that_nobody_knows_is_a_document(words: tuple[str, ...]) -> None:
    said = one_document(typed(*words, "--format", "json"))
    assert said["error"]["code"] == "bad-usage"


# What needs nothing but a project; the rest trains, draws or serves, and has tests of its own.
GOOD = {
    "validate": ("validate", "P"),
    "validate strict": ("validate", "P", "--strict"),
    "fix": ("fix", "P", "--dry-run"),
    "fix list": ("fix", "P", "--journal"),
    "inspect": ("inspect", "P"),
    "caption": ("caption", "P", "--replace", "photo=picture", "--dry-run"),
    "caption unanswered": ("caption", "P", "--replace", "photo=picture"),
    "export": ("caption", "P", "--export", "kohya", "P/out"),
    "shard": ("shard", "P", "--to", "P/shards"),
    "card": ("card", "P"),
    "card check": ("card", "P", "--check"),
    "card folder": ("card", "P/dataset", "--check"),
    "card draft": ("card", "P", "--dry-run"),
    "explain": ("explain", "D202"),
    "explain all": ("explain",),
    "doctor": ("doctor",),
    "ship": ("ship", "--project", "P", "--dry-run", "--until", "push-dataset"),
    "init": ("init", "P-other", "--example"),
    "cache ls": ("cache", "ls"),
    "cache prune": ("cache", "prune", "--dry-run"),
}
BAD = {
    "validate": ("validate", "P/nowhere"),
    "validate merge": ("validate", "merge", "P/nowhere"),
    "merge-parts": ("merge-parts", "P/nowhere"),
    "settings": ("validate", "--project", "P/nowhere"),
    "fix": ("fix", "P/nowhere"),
    "undo": ("fix", "P", "--undo"),
    "inspect": ("inspect", "P/nowhere"),
    "caption": ("caption", "P"),
    "shard": ("shard", "P/nowhere", "--to", "P/shards"),
    "unshard": ("unshard", "P/nowhere", "--to", "P/back"),
    "train": ("train", "--path", "P/nowhere", "--base-model", "P/nothing"),
    "generate": ("generate", "a", "--base-model", "P/nothing"),
    "grid": ("grid", "a", "--x", "seed=0..3", "--base-model", "P/nothing"),
    "evaluate": ("evaluate", "P/nowhere"),
    "card": ("card", "P/nowhere", "--kind", "model"),
    "prune": ("prune", "P/nowhere"),
    "push": ("push", "P/nowhere", "me/x"),
    "ship": ("ship", "--from", "nowhere"),
    "rehearse": ("rehearse", "P/nowhere"),
    "init": ("init", "P/dataset/metadata.jsonl"),
    "explain": ("explain", "D999"),
    "hub serve": ("hub", "serve", "--host", "example.com"),
    "demo": ("demo", "--dir", "P/dataset"),
}  # fmt: skip


# What is wrong, for programs; a word that means nothing is no file that is not there.
CODES_OF = {
    "an option with two values has one": (("caption", "P", "--export", "nope"), "bad-usage", 2),
    "no prompt": (("generate",), "bad-usage", 2),
    "no axis": (("grid", "a", "--x", "nope=1"), "bad-usage", 2),
    "a file for a folder": (("push", "P/hubtools.toml", "me/x"), "wrong-kind", 1),
    "no LoRA": (("evaluate", "--project", "P"), "nothing-there", 1),
    "an address of no dataset": (("validate", "hf://datasets/a"), "bad-usage", 2),
    "nobody answers": (("validate", "http://127.0.0.1:9/a.zip"), "hub-unreachable", 1),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json") / "project"
    assert typed("init", folder, "--example").returncode == 0
    assert typed("card", folder).returncode in (0, 3)
    return folder


def _placed(words: tuple[str, ...], project: Path) -> list[str]:
    return [str(project) + word[1:] if word[:2] in ("P", "P/", "P-") else word for word in words]


@pytest.mark.parametrize("words", GOOD.values(), ids=GOOD)
def test_what_works_is_a_document(words: tuple[str, ...], project: Path) -> None:
    done = typed(*_placed(words, project), "--format", "json", cwd=project.parent)
    assert done.returncode in (0, 3), done.stderr
    said = one_document(done)
    assert not isinstance(said, dict) or "error" not in said


@pytest.mark.parametrize("words", BAD.values(), ids=BAD)
def test_what_fails_is_a_document(words: tuple[str, ...], project: Path) -> None:
    done = typed(*_placed(words, project), "--format", "json", cwd=project.parent)
    assert done.returncode in (1, 2, 3), done.stdout
    said = one_document(done)["error"]
    assert set(said) == {"code", "message", "hint"}
    assert said["code"] in CODES
    assert said["code"] not in ("bug", "failed"), said


@pytest.mark.parametrize(("words", "code", "exit_code"), CODES_OF.values(), ids=CODES_OF)
def test_a_code_says_what_is_wrong(
    words: tuple[str, ...], code: str, exit_code: int, project: Path
) -> None:
    done = typed(*_placed(words, project), "--format", "json", cwd=project.parent)
    assert (one_document(done)["error"]["code"], done.returncode) == (code, exit_code)


def test_the_whole_project_is_a_list_of_reports_and_a_folder_one(project: Path) -> None:
    whole = one_document(typed("card", project, "--check", "--format", "json"))
    alone = one_document(typed("card", project / "dataset", "--check", "--format", "json"))
    assert set(whole) == {"ok", "reports"}
    assert whole["reports"][0]["subject"] == alone["subject"]
    assert whole["ok"] == alone["ok"]


def test_a_draft_of_a_card_is_a_diff_in_the_document(project: Path, tmp_path: Path) -> None:
    project = shutil.copytree(project, tmp_path / "project")
    (project / "dataset" / "README.md").unlink()
    said = one_document(typed("card", project, "--dry-run", "--format", "json"))
    assert said["cards"][0]["changes"]
    assert said["cards"][0]["diff"].startswith("---")


def test_quiet_wins_and_help_is_no_document(project: Path) -> None:
    quiet = typed("validate", project / "nowhere", "-q", "--format", "json")
    assert quiet.stdout == ""
    assert typed("validate", "--help", "--format", "json").stdout.startswith("Usage")


def test_a_reader_that_has_gone_is_no_error() -> None:
    line = (
        f"{sys.executable} -m hubtools explain --all --format json | true; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""


def test_every_code_is_explained() -> None:
    assert set(get_args(Code)) == set(CODES)


def test_an_interrupt_while_loading_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(group), "get_command", interrupted)
    done = typed("validate", "--format", "json")
    assert done.returncode == 130
    assert one_document(done)["error"]["code"] == "interrupted"


def test_what_was_ready_before_an_error_is_beside_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.cli.output import Output

    def full(self: Output, *_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Output, "write_report", full)
    said = one_document(typed("validate", project, "--format", "json"))
    assert said["error"]["code"] == "disk-full"
    assert said["report"]["findings"] is not None


def test_what_children_print_is_not_in_the_document() -> None:
    code = """
import os, subprocess, sys
from hubtools.cli import main
from hubtools.cli.main import group
import click
command = group.get_command(click.Context(group), "explain")
inner = command.callback
def noisy(**words):
    os.write(1, b"of a library in C")
    subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
    return inner(**words)
command.callback = noisy
main(["explain", "D202", "--format", "json"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(done.stdout)["id"] == "D202"
    assert "of a library in C" in done.stderr
    assert "of a child" in done.stderr


def test_a_command_of_the_group_alone_answers_too() -> None:
    said = CliRunner().invoke(group, ["explain", "D202", "--format", "json"])
    assert json.loads(said.stdout)["id"] == "D202"
