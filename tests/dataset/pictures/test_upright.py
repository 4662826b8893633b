"""One answer on the size of a picture that is stored on its side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from hubtools.cards.dataset_facts import _size_of
from hubtools.dataset.examples import read_examples
from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.report.figures import sizes_of
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.settings import DatasetSettings
from hubtools.training.pictures import _upright_size


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_everybody_sees_the_same_size(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = f"0.{ending}"
    Image.effect_noise((40, 30), 90).convert("RGB").save(tmp_path / name, exif=exif)
    record = {"file_name": name, "text": "a view"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(record) + "\n")
    seen = open_image(tmp_path / name).size
    assert seen == ((30, 40) if orientation > 4 else (40, 30))
    looked = view(tmp_path, DatasetSettings())
    facts = looked.pictures[name]
    assert facts.upright_size == seen
    (example,) = read_examples(tmp_path, "text")
    assert _upright_size(looked, example) == seen
    assert list(sizes_of(looked)) == [seen]
    assert _size_of(tmp_path / name) == "{}x{}".format(*seen)
    report = validate(tmp_path, DatasetSettings(), resolution=64)
    assert report.facts["largest"] == "{}x{}".format(*seen)
    (small,) = (finding for finding in report.findings if finding.rule == "D304")
    assert small.message.startswith("{}x{} is".format(*seen))


def test_copies_of_what_is_no_picture_are_not_to_be_kept(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("<html>no such file</html>")
    (same,) = (f for f in validate(tmp_path).findings if f.rule == "D401")
    assert "0x0" not in str(same.fix)
    assert "keep" not in str(same.fix)


def test_what_fix_cannot_rename_is_to_be_converted(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", "AVIF")
    (odd,) = (f for f in validate(tmp_path).findings if f.rule == "D303")
    assert "hubtools fix --unsafe convert" in str(odd.fix)
