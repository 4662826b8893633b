"""Folders as people have them, through the command line from end to end: every picture and caption
is found again, every mistake is a sentence, and all of it can be undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from test_fix_property import captions_in
from test_fix_rules import snapshot
from ugly_sets import TRIGGER, UGLY

from hubtools.cli.main import run
from hubtools.dataset.edits.journal_files import journals
from hubtools.dataset.edits.pixels import Refused, shown

Shell = Callable[..., tuple[int, str, str]]
OPTIONS = ("--trigger", TRIGGER, "--resolution", "64", "--license", "cc0-1.0", "--rights", "own")
# What `validate` says, before and after `fix`; and what is then told to be left as it is.
EXPECTED: dict[str, tuple[str, str]] = {
    "mac-zip": ("D101 D201 D202 D704", "D202"),
    "windows": ("D106 D202 D221 D303 D517 D704", ""),
    "camera-roll": ("D120 D208 D309 D401 D701 D704 D706 D711 D713", "D120 D208 D309 D401"),
    "kohya": ("D120", "D202"),
    "ai-toolkit": ("D120 D219", ""),
    "spreadsheet": ("D111 D113 D122 D502 D504 D704", "D113 D502 D504"),
    "scraped": (
        "D113 D120 D208 D219 D221 D301 D302 D303",
        "D202 D208 D301 D302 D303",
    ),
    "photo-program": ("D208 D308", "D208 D308"),
}


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Type a command; whatever comes of it, it is no traceback and no bug."""
    monkeypatch.setenv("COLUMNS", "120")

    def typed(*words: object, code: int = 0) -> tuple[int, str, str]:
        capsys.readouterr()
        done = run([str(word) for word in words])
        said = capsys.readouterr()
        assert done == code, said.err
        assert "bug in hubtools" not in said.err
        assert "Traceback" not in said.err
        assert "\x1b" not in said.err + ("" if "--draw" in words else said.out)
        for line in said.err.splitlines():
            if line.startswith(("Error: ", "Warning: ")):
                assert line.endswith("."), line
        return done, said.out, said.err

    return typed


def rules_in(text: str) -> set[str]:
    findings = json.loads(text)["findings"]
    assert all(finding["message"].strip() for finding in findings)
    return {finding["rule"] for finding in findings}


def test_there_is_one_of_each() -> None:
    assert set(EXPECTED) == set(UGLY)


@pytest.mark.parametrize("name", UGLY)
def test_from_end_to_end(name: str, tmp_path: Path, shell: Shell) -> None:
    root = tmp_path / "set"
    made = UGLY[name](root)
    before = snapshot(root)
    first, after = (set(text.split()) for text in EXPECTED[name])

    for way in ("human", "agent", "quiet", "github"):
        shell("validate", root, *OPTIONS, "--format", way, code=3)
    _, said, _ = shell("validate", root, *OPTIONS, "--format", "json", code=3)
    assert rules_in(said) == first
    assert shell("validate", root, *OPTIONS, "--format", "json", code=3)[1] == said

    shell("fix", root, *OPTIONS, "--dry-run")
    _, plan, _ = shell("fix", root, *OPTIONS, "--dry-run", "--format", "json")
    assert snapshot(root) == before
    _, _, told = shell("fix", root, *OPTIONS, "--yes")
    fixed = snapshot(root)
    kept = {
        path.read_bytes()
        for journal in journals(root)
        for path in (journal.place / "originals").rglob("*")
        if path.is_file()
    }
    assert set(before.values()) <= set(fixed.values()) | kept
    looks = {picture: look(before[picture]) for picture in made.pictures}
    assert set(looks.values()) <= {look(data) for data in fixed.values()}
    captions = {text.replace("[trigger]", TRIGGER) for text in made.captions}
    assert captions <= captions_in(root)
    for left in json.loads(plan)["left"]:
        assert f"left as it is: {left}: " in told or f"repaired in part: {left}: " in told

    code = 0 if not after & {"D120", "D202", "D301", "D308", "D401", "D502"} else 3
    _, said, _ = shell("validate", root, *OPTIONS, "--format", "json", code=code)
    assert rules_in(said) == after
    assert "Nothing to fix" in shell("fix", root, *OPTIONS, "--yes")[1]

    shell("inspect", root, *OPTIONS, "--all", "--pictures", "3", "--draw", "blocks")
    shell("caption", root, "--trigger", TRIGGER, "--template", "{trigger}, {stem}", "--dry-run")
    shell("shard", root, "--to", tmp_path / "shards")
    shell("shard", root, "--to", tmp_path / "tars", "--as", "webdataset")
    for packed in ("shards", "tars"):
        shell("unshard", tmp_path / packed, "--to", tmp_path / f"{packed}-again")
        again = snapshot(tmp_path / f"{packed}-again")
        assert {k: v for k, v in again.items() if k in fixed and "metadata" not in k} == {
            k: fixed[k] for k in again if "metadata" not in k
        }
        assert captions_in(tmp_path / f"{packed}-again") == captions_in(root)

    if journals(root):
        shell("fix", root, "--undo")
    assert snapshot(root) == before


def look(data: bytes | str) -> str:
    """What a picture shows; its bytes if that cannot be told."""
    assert isinstance(data, bytes)
    try:
        return shown(data)
    except Refused:
        return data.hex()


def test_what_is_asked_for_by_name(tmp_path: Path, shell: Shell) -> None:
    """The rest of the ugly ones, as far as a program can."""
    root = tmp_path / "set"
    UGLY["photo-program"](root)
    shell("fix", root, *OPTIONS, "--yes", "--unsafe", "scale-16-bit")
    _, said, _ = shell("validate", root, *OPTIONS, "--format", "json")
    assert rules_in(said) == {"D208"}
    UGLY["scraped"](tmp_path / "scraped")
    unsafe = ("--unsafe", "remove-damaged,convert=jpeg")
    shell("fix", tmp_path / "scraped", *OPTIONS, "--yes", *unsafe)
    _, said, _ = shell("validate", tmp_path / "scraped", *OPTIONS, "--format", "json", code=3)
    assert rules_in(said) == {"D202", "D208", "D302"}  # the pointer of Git LFS, the drawing
    roll = UGLY["camera-roll"](tmp_path / "roll")
    unsafe = ("--unsafe", "rotate,delete-duplicates")
    shell("fix", roll.root, *OPTIONS, "--yes", *unsafe)
    _, said, _ = shell("validate", roll.root, *OPTIONS, "--format", "json", code=3)
    assert rules_in(said) == {"D120", "D208"}
    assert (roll.root / "DCIM/100APPLE/IMG_1234.JPG").is_file()


def test_a_telephones_own_format_is_converted(tmp_path: Path, shell: Shell) -> None:
    """HEIC, if Pillow has been taught it; else a sentence says what to install."""
    roll = UGLY["camera-roll"](tmp_path / "roll")
    name = "DCIM/100APPLE/IMG_1235"
    _, _, told = shell(
        "fix", roll.root, *OPTIONS, "--yes", "--unsafe", "convert", "--select", "D208"
    )
    if find_spec("pillow_heif") is None:
        assert f"left as it is: {name}.HEIC: decoding it needs `pip install pillow-heif`" in told
        return
    with Image.open(roll.root / f"{name}.png") as opened:
        assert (opened.format, opened.size) == ("PNG", (64, 64))
        red, green, blue = opened.convert("RGB").getpixel((24, 24))  # type: ignore[misc]
        assert red > 150 > max(green, blue)
    shell("fix", roll.root, "--undo")
    assert (roll.root / f"{name}.HEIC").is_file()


def test_names_that_are_to_be_the_captions(tmp_path: Path, shell: Shell) -> None:
    """The column is written once, and a second fix finds nothing."""
    for number in range(2):
        Image.new("RGB", (64, 64), (90 * number, 9, 9)).save(tmp_path / f"{number}.png")
    table = tmp_path / "metadata.csv"
    table.write_text("text,mask_file_name,file_name\na,0.png,0.png\nb,1.png,1.png\n")
    words = ("fix", str(tmp_path), "--yes", "--caption-column", "file_name")
    code, out, err = shell(*words)
    assert code == 0, err
    assert table.read_text().splitlines()[0] == "file_name,text,mask_file_name"
    code, out, err = shell(*words)
    assert "Nothing to fix" in out + err
