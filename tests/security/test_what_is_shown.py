"""What is shown of files of others: no secret, and nothing that speaks to a terminal."""

from __future__ import annotations

import json
import logging
import random
import re
import shlex
import warnings
import zipfile
from pathlib import Path

import pytest

from hubtools.cli.main import _warnings_told
from hubtools.commands.edits import caption, fix
from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.validate import validate
from hubtools.findings import Finding, Report, Severity, to_json, to_jsonl
from hubtools.manifest import StartedFrom
from hubtools.printable import as_json, visible
from hubtools.reporting.sarif import to_sarif
from tests.security.secrets_corpus import LINES, SECRETS, picture
from tests.typed import typed

TOKEN = "h" + "f_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"
# Command sequences of a terminal by one letter, by two, and what turns the direction of writing.
SPEAKS = "\x9b2J\x1b]52;c;x\x07\u202egnp.exe\u2028\u2066"
_SPEAKS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0.png").write_bytes(picture())
    (tmp_path / "0.txt").write_text(f"  a man,, {TOKEN}  in a  room{SPEAKS} \n\n", encoding="utf-8")
    return tmp_path


def test_the_diff_of_a_fix(folder: Path) -> None:
    lines = list(fix(folder, dry_run=True).plan.diff())
    assert any(line.startswith("+") and "***" in line for line in lines)
    assert not [line for line in lines if TOKEN in line or _SPEAKS.search(line)]


def test_the_diff_of_captions(folder: Path) -> None:
    said = {"file_name": "0.png", "text": (folder / "0.txt").read_text(encoding="utf-8")}
    (folder / "metadata.jsonl").write_text(json.dumps(said), encoding="utf-8")
    plan = caption(folder, replace=["man=woman"], dry_run=True).plan
    lines = list(plan.diff())
    assert any(line.startswith("+") and "woman" in line for line in lines)
    assert not [line for line in lines if TOKEN in line or _SPEAKS.search(line)]


def test_no_kind_of_secret_is_visible() -> None:
    for kind in SECRETS.keys() - set(LINES):
        said = SECRETS[kind](random.Random(4))
        shown = visible(f"-a note: {said}\t1", tabs=True)
        assert "***" in shown, kind
        assert said not in shown, kind


def test_json_says_the_same_and_does_nothing_to_a_terminal() -> None:
    report = Report(SPEAKS, (Finding("D101", Severity.ERROR, SPEAKS, "fix", SPEAKS),))
    for text in (as_json({SPEAKS: [SPEAKS]}), to_json(report), to_jsonl(report), to_sarif(report)):
        assert not _SPEAKS.search(text)
        assert json.loads(text)
    assert json.loads(as_json({SPEAKS: [SPEAKS]})) == {SPEAKS: [SPEAKS]}


LETTERS = [(f"{n:02d}" + "aB3/xY7+" * 8)[:64] for n in range(20)]
KEYS = {
    "whole": ["-----BEGIN RSA PRIVATE KEY-----", *LETTERS, "-----END RSA PRIVATE KEY-----"],
    "without an end": ["-----BEGIN OPENSSH PRIVATE KEY-----", *LETTERS],
    "encrypted": [
        *(
            "-----BEGIN RSA PRIVATE KEY-----",
            "Proc-Type: 4,ENCRYPTED",
            "DEK-Info: AES-128-CBC,A1B2",
        ),
        *("", *LETTERS),
    ],
    "quoted": [f"> {x}" for x in ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "", *LETTERS)],
}


@pytest.mark.parametrize("kind", KEYS)
def test_all_lines_of_a_key(tmp_path: Path, kind: str) -> None:
    lines = ["a man,  in a  room", *KEYS[kind], "and a dog  here. "]
    (tmp_path / "0.png").write_bytes(picture())
    (tmp_path / "0.txt").write_text("\n".join(f"{line}  " for line in lines), encoding="utf-8")
    for text in ("\n".join(lines), "\\n".join(lines), json.dumps({"text": "\n".join(lines)})):
        shown = visible(text)
        assert not [one for one in LETTERS if one[2:] in shown]
        assert "a man" in shown
    shown = "\n".join([*fix(tmp_path, dry_run=True).plan.diff(), *as_plan(tmp_path, lines).diff()])
    assert not [one for one in LETTERS if one[2:] in shown]
    assert "+a man" in shown


def test_a_token_that_was_cut_over_lines(tmp_path: Path) -> None:
    pieces = [TOKEN[:12], TOKEN[12:24], TOKEN[24:]]
    shown = list(as_plan(tmp_path, ["a man", *pieces, "a dog"]).diff())
    assert not [line for line in shown if any(piece in line for piece in pieces)]
    assert {"+a man", "+a dog"} <= set(shown)


def as_plan(folder: Path, lines: list[str]) -> FixPlan:
    """A plan that writes a text."""
    text = "\n".join(lines) + "\n"
    return FixPlan(folder, (Operation(Action.WRITE, None, "x.txt", (), (), None, text),))


def test_a_name_in_a_command_to_type_is_one_word(tmp_path: Path) -> None:
    name = "$(touch x);.zip"
    (tmp_path / "ds").mkdir()
    with zipfile.ZipFile(tmp_path / "ds" / name, "w") as packed:
        packed.writestr("a.png", picture())
    fixes = [one.fix for one in validate(tmp_path / "ds").findings if name in (one.fix or "")]
    assert fixes == [f"hubtools validate {shlex.quote(name)}"]


def test_what_libraries_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings and logs of the client hold words of a Hub; those of others, names of files."""
    typed("doctor", "--help", cwd=tmp_path)
    said = f"one\n::error::{SPEAKS} {TOKEN}\ttwo"
    told: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda text, *where, **more: told.append(text))
    with _warnings_told():
        warnings.simplefilter("always")
        warnings.warn(said, UserWarning, stacklevel=1)
    with caplog.at_level(logging.WARNING):
        logging.getLogger("some.library").warning("%s", said)
    assert told[0].startswith("one\\n::error::")
    for text in (told[0], caplog.records[0].getMessage()):
        assert not _SPEAKS.search(text.replace("\t", ""))
        assert "::error::" in text
        assert TOKEN not in text


def test_words_of_a_lora_in_a_command_to_type_are_one_word() -> None:
    """The base that its header names, and its layers."""
    pytest.importorskip("torch")
    from hubtools.inference import adapters
    from hubtools.inference.lora import LoraFile
    from hubtools.training import start

    words = "me/x; $(touch x)"
    lora = LoraFile(Path("a"), "0" * 64, 4, None, "a", base_model=words)
    facts = StartedFrom(name="a", file="a", sha256="0" * 64, base_model=words)
    assert adapters._own_base(lora).startswith(f"--base-model {shlex.quote(words)},")
    assert start._own_base(facts) == f"--base-model {shlex.quote(words)}"
    assert start._quoted("to_q") == "to_q"
    assert start._quoted(words) == shlex.quote(words)
