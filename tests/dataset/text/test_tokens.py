"""Tokens are counted by the right tokenizer, and an estimate says that it is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.dataset.text.tokens import token_counters
from hubtools.dataset.validate import validate
from hubtools.findings import Severity
from hubtools.models.registry import TARGETS
from hubtools.settings import DatasetSettings
from hubtools.tinypeople import MODEL

CLIP = pytest.importorskip("instant_clip_tokenizer")


def letters(folder: Path) -> Path:
    """A tokenizer that makes a token of every word."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def flux(folder: Path) -> Path:
    letters(folder / "tokenizer_2")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    return folder


def test_counters(tmp_path: Path) -> None:
    (clip,) = token_counters()
    assert (clip.count("a photo of a cat"), clip.exact, clip.room) == (5, True, 75)
    base = flux(tmp_path / "flux")
    clip, t5 = token_counters(TARGETS["flux"], base)
    assert (clip.source, clip.room) == ("CLIP's vocabulary", 75)
    assert (t5.count("one two three"), t5.exact, t5.room) == (3, True, 511)
    assert t5.source == "the base model's tokenizer"
    (tiny,) = token_counters(TARGETS["sd15"], MODEL)
    assert (tiny.source, tiny.exact) == ("the base model's tokenizer", True)
    estimated = token_counters(TARGETS["z-image"])[-1]
    assert (estimated.exact, estimated.source) == (False, "an estimate")
    assert 4 <= estimated.count("a photo of a rhinoceros") <= 7
    broken = flux(tmp_path / "broken")
    (broken / "tokenizer_2/tokenizer.json").write_text("{")
    assert not token_counters(TARGETS["flux"], broken)[-1].exact


def long(root: Path, words: int) -> None:
    rows = [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()]
    rows[1]["text"] += " cat" * words
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("target", "words", "severity", "said"),
    [
        ("sd15", 80, Severity.WARNING, "75 are read"),
        ("sdxl", 80, Severity.WARNING, "75 are read"),
        ("flux", 60, None, ""),
        ("flux", 80, Severity.INFO, "only T5 reads the end"),
        ("sd3", 320, Severity.WARNING, "has about 326 tokens and 255 are read"),
        ("qwen-image", 80, None, ""),
        ("qwen-image", 700, Severity.WARNING, "about 706"),
    ],
)
def test_length_follows_the_target(
    good: Path,
    settings: DatasetSettings,
    target: str,
    words: int,
    severity: Severity | None,
    said: str,
) -> None:
    long(good, words)
    wanted = settings.model_copy(update={"target": target})
    found = [f for f in validate(good, wanted, resolution=64).findings if f.rule == "D503"]
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert said in "".join(f.message for f in found)


def test_size_follows_the_target(good: Path, settings: DatasetSettings, tmp_path: Path) -> None:
    for base, size in ((MODEL, 128), (flux(tmp_path / "flux"), 1024), (None, 512)):
        report = validate(good, settings, base=base)
        assert report.facts["resolution"] == size
        small = [f for f in report.findings if f.rule == "D304"]
        assert len(small) == 3
        assert (" of " in small[0].message) is (base is not None)
    named = validate(good, settings.model_copy(update={"target": "sdxl"}), base=MODEL)
    assert (named.facts["target"], named.facts["resolution"]) == ("sdxl", 1024)
    told = validate(good, settings, base=MODEL, resolution=64).facts
    assert (told["target"], told["resolution"]) == ("sd15", 64)
    assert told["text_encoders"] == [
        {"name": "CLIP", "tokens": 75, "counted_by": "the base model's tokenizer", "exact": True}
    ]


def test_padding_and_truncation_kept_in_a_file_count_for_nothing() -> None:
    from hubtools.tinypeople import MODEL

    (counter,) = token_counters(None, MODEL)
    assert counter.source == "the base model's tokenizer"
    assert counter.count("front view") == 2
    assert counter.count("front view, " * 100) == 300
