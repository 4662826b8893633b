"""`hubtools validate` as typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import hubtools
from tests.drawing import write_pictures
from tests.typed import typed


def validate(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return typed("validate", *arguments, cwd=cwd)


GOOD = ("--trigger=(tok)", "--license=cc0-1.0", "--rights=own", "--resolution=64")


def test_good_strict_and_bad(good: Path) -> None:
    done = validate(good, *GOOD)
    assert (done.returncode, "no problems found" in done.stdout) == (0, True), done.stderr
    warned = validate(good, *GOOD[:-1])
    assert warned.returncode == 0
    assert "warning D304" in warned.stdout
    assert validate(good, *GOOD[:-1], "--strict").returncode == 3
    with (good / "metadata.jsonl").open("a") as file:
        file.write("{\n")
    bad = validate(good, *GOOD)
    assert bad.returncode == 3
    assert bad.stdout.startswith("metadata.jsonl:4:")
    assert "    fix: " in bad.stdout


def test_formats(good: Path) -> None:
    (good / "0.png").unlink()
    told = json.loads(validate(good, *GOOD, "--format", "json").stdout)
    (finding,) = told["findings"]
    assert (told["ok"], finding["rule"], finding["line"]) == (False, "D201", 1)
    annotations = validate(good, *GOOD, "--format", "github").stdout
    assert annotations.startswith("::error file=")
    assert ",line=1,title=D201::there is no picture 0.png" in annotations
    assert validate(good, *GOOD, "-q").stdout == "metadata.jsonl:1: D201\n"
    assert validate(good, *GOOD, "--ignore", "D2").returncode == 0
    assert validate(good, *GOOD, "--select", "D1").returncode == 0


def test_what_stops_dreambooth_is_not_first_what_hubtools_keeps(good: Path) -> None:
    (good / ".hubtools/fixes").mkdir(parents=True)

    def of_dreambooth() -> str:
        told = json.loads(validate(good, *GOOD, "--format", "json").stdout)
        assert not [one for one in told["findings"] if one["rule"] == "D219"]
        reason: str = told["facts"]["loaders"]["dreambooth"]["reason"]
        return reason

    assert of_dreambooth().startswith("metadata.jsonl: ")
    (good / "metadata.jsonl").unlink()
    said = ".hubtools: it is a folder that hubtools keeps and never publishes"
    assert of_dreambooth() == said


def test_what_the_loaders_see(good: Path) -> None:
    agree = validate(good, *GOOD, "--format", "human")
    assert "all loaders agree: 3 rows in train (image, text)" in agree.stderr
    (good / "2.png").rename(good / "dress-test-2.png")
    (good / "metadata.jsonl").write_text(
        (good / "metadata.jsonl").read_text().replace('"2.png', '"dress-test-2.png')
    )
    shown = validate(good, *GOOD, "--format", "human").stderr.splitlines()
    auto = next(line for line in shown if line.startswith("path, the Hub"))
    diffusers = next(line for line in shown if line.startswith("diffusers"))
    assert "1 row in test" in auto
    assert "3 rows in train" in diffusers
    told = json.loads(validate(good, *GOOD, "--format", "json").stdout)
    loaders = told["facts"]["loaders"]
    assert list(loaders) == ["auto", "imagefolder", "diffusers", "dreambooth"]
    assert loaders["auto"]["splits"]["test"]["rows"] == 1
    assert loaders["auto"]["lost"] == 3  # two pictures and the metadata
    assert loaders["diffusers"]["splits"]["train"]["columns"] == ["image", "text"]
    assert loaders["dreambooth"]["outcome"] == "raises"
    few = json.loads(
        validate(good, *GOOD, "--select", "D1", "--ignore", "D123", "--format", "json").stdout
    )
    assert "loaders" not in few["facts"]
    assert validate(good, *GOOD, "--select", "D102", "--format", "human").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere",), 1, "nowhere"),
        ((".", "--select", "D999"), 2, "D999"),
        ((".", "--resolution", "big"), 2, "big"),
        ((".", "--resolution", "0"), 2, "resolution"),
        ((".", "--nonsense"), 2, "nonsense"),
        ((".", "--rights", "mine"), 2, "mine"),
        ((".", "--dataset-name", "a b"), 2, "owner/name"),
    ],
)
def test_mistakes_get_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = validate(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_picture_called_otherwise_is_judged_by_its_content(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 3)
    (folder / "metadata.jsonl").unlink()
    kinds = {"sent.HEIC": "JPEG", "own.dng": "TIFF", "b.avif": "PNG"}
    for name, format in kinds.items():
        Image.new("RGB", (64, 64), (9, 90, 10)).save(folder / name, format)
    said = {one.path: one.message for one in hubtools.validate(folder).findings
            if one.rule == "D208"}  # fmt: skip
    assert said["sent.HEIC"].startswith("the content is JPEG")
    assert said["b.avif"].startswith("the content is PNG")
    assert said["own.dng"] == ".dng files are not loaded"
    fixed = typed("fix", folder).stdout
    assert "sent.HEIC -> sent.jpg" in fixed
    assert "b.avif -> b.png" in fixed
    assert "own.dng" not in fixed


def test_a_folder_of_a_telephones_own_format_says_what_converts_it(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    done = typed("validate", tmp_path.name, cwd=tmp_path.parent)
    assert "no pictures that loaders read, but 1 other" in done.stdout
    assert f"next: hubtools fix {tmp_path.name} --unsafe convert" in done.stderr
