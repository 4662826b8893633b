"""Tables for people: names stay whole in a pipe, and as long as there is room in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hubtools.cli.output import Format, Output
from hubtools.cli.tables import Painted, lines_of, prose
from tests.drawing import write_pictures
from tests.typed import typed

LONG = "IMG_20240101_120000123_HDR_PORTRAIT_a_very_long_name_as_phones_write_them_today.JPG"
WHY = "state for resuming; not needed to use the LoRA"
COLUMNS = ("path", "verdict", "size", "why")


def test_a_pipe_gets_whole_names(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1, size=(64, 64))
    (tmp_path / "picture0.png").rename(tmp_path / LONG.replace("JPG", "png"))
    (tmp_path / "metadata.jsonl").unlink()
    said = typed("inspect", tmp_path, "--format", "human", COLUMNS="60").stdout
    (line,) = [one for one in said.splitlines() if one.startswith("IMG_")]
    assert line.split()[0] == LONG.replace("JPG", "png")
    assert line == line.rstrip()
    assert "the training resolution 512" in line


@pytest.mark.parametrize("width", [64, 80, 100, 200, None])
def test_names_stay_whole_while_there_is_room(width: int | None) -> None:
    names = ["state/step-000008/optimizer.safetensors", "Müller Geburtstag (2).JPG", "日本語.png"]
    lines = list(lines_of(COLUMNS, [(name, "drop", "2.35 MB", WHY) for name in names],
                          right=(2,), width=width))  # fmt: skip
    for name in names:
        assert any(line.startswith(f"{name}  ") for line in lines)
    assert width is None or all(len(line) <= width for line in lines)
    assert "".join(" ".join(lines).split()).count("resuming") == len(names)


def test_a_name_longer_than_the_terminal_is_broken_behind_a_mark() -> None:
    lines = list(lines_of(("path", "size", "why"), [(LONG, "9 B", WHY)], width=60))
    assert all(len(line) <= 60 for line in lines)
    parts = [line.split()[0] for line in lines[1:] if "_" in line or "JPG" in line]
    assert "".join(parts) == LONG
    assert all(part.endswith("_") for part in parts[:-1])
    assert lines[-1].strip() == WHY


def test_what_is_narrow_stays_in_its_row() -> None:
    rows = [("a", "1"), ("bb", "22")]
    assert list(lines_of(("", ""), rows, right=(1,), width=40)) == ["a    1", "bb  22"]
    assert list(lines_of((), [], width=40)) == []
    word = next(iter(lines_of(("", ""), [("a", Painted("lost", "red"))], colours=True)))
    assert word == "a  \x1b[31mlost\x1b[0m"


def test_a_terminal_without_the_letters_gets_their_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        Output("human").table(("path",), [("Größe.png",)])
    assert (tmp_path / "out").read_text() == "path\nGr\\xf6\\xdfe.png\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("    fix: one two three four", ["    fix: one two", "        three four"]),
        (
            "write `hubtools card a.png --x` there",
            ["write", "    `hubtools card a.png --x`", "    there"],
        ),
        ("LoRA:   rank 16, alpha 16", ["LoRA:   rank 16,", "        alpha 16"]),
        ("\x1b[33mwarning\x1b[0m: a  picture is", ["\x1b[33mwarning\x1b[0m: a  picture", "    is"]),
    ],
)
def test_sentences_are_as_wide_as_the_terminal(text: str, lines: list[str]) -> None:
    assert list(prose(text, 20)) == lines
    assert list(prose(text, None)) == [text]


def test_facts_have_units_for_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    formats: tuple[Format, ...] = ("human", "agent")
    for format in formats:
        Output(format).result("Done", bytes=1_163_488, seconds=211.0, steps=6)
    said = capsys.readouterr().out
    assert "  size: 1.16 MB\n  time: 3 min 31 s\n  steps: 6\n" in said
    assert "bytes=1163488 seconds=211.0 steps=6" in said


def test_lines_of_a_plan_end_where_the_terminal_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtools.cli.tables.width_of", lambda stream: 40)
    line = "write   metadata.jsonl  (D304, D401: remove the record of a removed picture)"
    text = "+" + "a line of a text " * 5  # as it is
    for one in (line, text):
        Output("human").diff_line(one)
    *shown, last = capsys.readouterr().out.splitlines()
    assert len(shown) > 1
    assert max(map(len, shown)) <= 40
    assert last == text
