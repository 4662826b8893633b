"""inspect: what it says of a cut is what the trainer cuts, and what it draws is the picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from simple import picture

from hubtools.dataset.inspect.draw import FRAME, WARNED, thumbnail, write_sheet
from hubtools.dataset.inspect.look import aspect_of
from hubtools.settings import DatasetSettings, TrainSettings
from hubtools.training.preview import inspect
from tests.typed import typed as as_typed


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Wide, small, turned by EXIF, transparent, damaged; one without a caption, one told twice."""
    root = tmp_path / "mixed"
    picture(root / "wide.png", 1, (300, 100))
    picture(root / "small.png", 2, (40, 50))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (120, 90), "red").save(root / "turned.jpg", exif=exif)
    Image.new("RGBA", (90, 90), (0, 0, 0, 0)).save(root / "clear.png")
    (root / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    rows = [
        {"file_name": "wide.png", "text": "a wide one"},
        {"file_name": "small.png", "text": "word " * 90},
        {"file_name": "turned.jpg", "text": ""},
        {"file_name": "clear.png", "text": "clear"},
        {"file_name": "clear.png", "text": "again"},
        {"file_name": "bad.png", "text": "bad"},
    ]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_what_is_said_of_each(mixed: Path) -> None:
    found = inspect(mixed, train=TrainSettings(resolution=80))
    seen = {one.name: one for one in found.seen}
    assert list(found.broken) == ["bad.png"]
    wide = seen["wide.png"]
    assert (wide.resized, wide.box) == ((240, 80), (100, 0, 200, 100))
    assert wide.kept == pytest.approx(1 / 3)
    assert wide.warnings == ("67% of it is cut off",)
    small = seen["small.png"]
    assert (small.scale, small.resized, small.box) == (2.0, (80, 100), (0, 5, 40, 45))
    assert small.warnings[0].startswith("enlarged 2.00 times: its shorter side is 40")
    assert "after 75 nothing is read" in small.warnings[1]
    turned = seen["turned.jpg"]
    assert (turned.width, turned.height) == (90, 120)
    assert turned.warnings == ("it has no caption",)
    assert seen["clear.png"].warnings == ("2 records name it", "what is transparent becomes white")
    facts = found.summary()
    assert (facts["pictures"], facts["broken"], facts["upscaled"]) == (4, 1, 1)
    assert (facts["captions"], facts["too_long"]) == (3, 1)
    assert facts["width"] == {"least": 40, "median": 90, "most": 300}
    assert facts["aspects"] == {"3:4": 2, "1:1": 1, "2:1 and wider": 1}


def test_the_cut_is_the_trainers(mixed: Path) -> None:
    """The box cut out of the picture is what training reads, up to the filter's reach."""
    pytest.importorskip("torch")
    from hubtools.dataset.pictures.rgb import open_image
    from hubtools.files import sha256_of
    from hubtools.training.crops import geometry, pixels

    train = TrainSettings(resolution=80, center_crop=False, seed=3)
    for one in inspect(mixed, train=train).seen:
        image = open_image(mixed / one.name)
        assert image.size == (one.width, one.height)
        digest = sha256_of(mixed / one.name)
        cut = geometry(image.size, 80, center_crop=False, seed=3, identity=digest)
        read = (pixels(image, cut, filter="bilinear", flip=False).numpy() + 1) * 127.5
        mine = np.asarray(image.resize((80, 80), Image.Resampling.BILINEAR, box=one.box))
        difference = np.abs(read.transpose(1, 2, 0) - mine.astype(float)).mean()
        assert difference < 4, one.name
    moved = inspect(mixed, train=train.model_copy(update={"seed": 4})).seen
    assert [one.box for one in moved] != [one.box for one in inspect(mixed, train=train).seen]


def test_aspects() -> None:
    shapes = [(1, 3), (2, 3), (3, 4), (5, 5), (4, 3), (3, 2), (16, 9), (3, 1)]
    names = ["1:2 and narrower", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "2:1 and wider"]
    assert [aspect_of(*shape) for shape in shapes] == names


# --- drawn -----------------------------------------------------------------------------------


def test_the_frame_is_the_cut(mixed: Path) -> None:
    seen = {one.name: one for one in inspect(mixed, train=TrainSettings(resolution=80)).seen}
    drawn = np.asarray(thumbnail(mixed, seen["wide.png"], 90))
    framed = np.argwhere((drawn == FRAME).all(axis=2))
    assert framed.min(axis=0).tolist() == [30, 30]
    assert framed.max(axis=0).tolist() == [59, 59]
    original = np.asarray(Image.open(mixed / "wide.png").resize((90, 30), Image.Resampling.LANCZOS))
    assert np.abs(drawn[31:59, 31:59].astype(int) - original[1:29, 31:59]).max() == 0
    assert drawn[45, 10].sum() < original[15, 10].sum() / 2  # cut off: dark
    warned = np.asarray(thumbnail(mixed, seen["small.png"], 90))
    assert (warned == WARNED).all(axis=2).any()


def test_sheet(mixed: Path, tmp_path: Path) -> None:
    seen = inspect(mixed, train=TrainSettings(resolution=80)).seen
    assert write_sheet(mixed, seen, tmp_path / "sheet.png", side=90, columns=2) == 4
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 + 2 * 96, 6 + 2 * (90 + 32 + 6))
        first = sheet.crop((6, 6, 96, 96))
        assert first.tobytes() == thumbnail(mixed, seen[0], 90).tobytes()


# --- as typed --------------------------------------------------------------------------------


def typed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return as_typed("inspect", *arguments)


def test_as_typed(mixed: Path, tmp_path: Path) -> None:
    human = typed(mixed, "--resolution", "80", "--format", "human", "--sheet", tmp_path / "s.png")
    assert human.returncode == 0, human.stderr
    assert "67% of it is cut off" in " ".join(human.stdout.split())
    assert "\x1b" not in human.stdout  # not a terminal: nothing drawn
    assert "bad.png cannot be trained on" in human.stderr
    assert (tmp_path / "s.png").is_file()
    drawn = typed(mixed, "--resolution", "80", "--format", "human", "--pictures", "2",
                  "--draw", "blocks")  # fmt: skip
    assert drawn.stdout.count("▀") == 12 * 48
    plain = subprocess.run(
        [sys.executable, "-m", "hubtools", "inspect", mixed, "--format=human", "--pictures=1"],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert plain.returncode == 0
    assert "ascii, the encoding of the output, has no blocks" in " ".join(plain.stderr.split())
    told = json.loads(typed(mixed, "--resolution", "80", "--format", "json").stdout)
    assert told["summary"]["pictures"] == len(told["pictures"]) == 4
    assert told["pictures"][3]["box"] == [100, 0, 200, 100]
    assert told["unread"] == {}
    assert typed("nowhere").returncode == 1


def test_metadata_that_cannot_be_read_are_told(mixed: Path) -> None:
    with (mixed / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "a.png" "text": "a dog"}\n')
    lines = len((mixed / "metadata.jsonl").read_text().splitlines())
    ((place, why),) = inspect(mixed).unread.items()
    assert place == f"metadata.jsonl:{lines}"
    said = typed(mixed, "--format", "human").stderr
    assert f"{place}: {why}; captions in it may be missing above." in said
    assert f"`hubtools validate {mixed}` tells more" in said


def test_no_torch(mixed: Path) -> None:
    code = "import sys, hubtools; hubtools.inspect(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(mixed)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_caption_column_and_defaults(good: Path) -> None:
    found = inspect(good, DatasetSettings(caption_column="nothing"))
    assert {one.caption for one in found.seen} == {None}
    assert found.resolution == 512
