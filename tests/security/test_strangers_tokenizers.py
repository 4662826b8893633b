"""A tokenizer of a stranger is a program of its own: it may make gigabytes of a letter, and its
patterns may take for ever."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hubtools.cli.main import group, run
from hubtools.dataset.text import tokens
from hubtools.dataset.text.tokens import _estimate, _of_file
from hubtools.models.registry import CLIP

pytest.importorskip("tokenizers")

WORDS = "a hat " * 10 + "a" * 60 + "!"


def write(place: Path, **parts: Any) -> str:
    """A tokenizer of letters, with these parts."""
    vocabulary = {letter: number for number, letter in enumerate("aht b</w>")}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "a"}
    model |= parts.pop("model", {})
    told: dict[str, Any] = {"version": "1.0", "added_tokens": [], "model": model}
    told |= dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    place.mkdir()
    file = place / "tokenizer.json"
    file.write_text(json.dumps(told | parts))
    return str(file)


def replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


GROWS = {
    "again and again": {
        "type": "Sequence", "normalizers": [replaced({"String": "a"}, "a" * 16)] * 6,
    },
    "for nothing": {"type": "Sequence", "normalizers": [replaced({"Regex": "x*"}, "a" * 90)] * 3},
    "at once": replaced({"Regex": r"\s"}, "a" * 10_000),
    "before": {"type": "Prepend", "prepend": "a" * 1_000_000},
    "a table": {
        "type": "Precompiled",
        "precompiled_charsmap": "BAAAAAAAAABh" + "YWFh" * 1000,  # four bytes of index, then a's
    },
}  # fmt: skip


@pytest.mark.parametrize("normalizer", GROWS.values(), ids=GROWS)
def test_what_makes_much_of_little_is_not_used(tmp_path: Path, normalizer: dict[str, Any]) -> None:
    assert _of_file(write(tmp_path / "base", normalizer=normalizer)) is None


def test_long_words_around_each_letter(tmp_path: Path) -> None:
    model = {"continuing_subword_prefix": "b" * 1000}
    assert _of_file(write(tmp_path / "base", model=model)) is None


def test_a_pattern_that_makes_the_library_stop(tmp_path: Path) -> None:
    split = {"type": "Split", "pattern": {"Regex": "(a|aa)+$|(a*)*b"}, "behavior": "Isolated"}
    file = write(tmp_path / "base", pre_tokenizer=split | {"invert": False})
    counter = _of_file(file)
    assert counter is not None
    assert counter.count("a hat") > 0
    assert counter.count(WORDS) == _estimate(WORDS)
    begin = time.process_time()
    assert all(counter.count(WORDS) for _ in range(100))
    assert time.process_time() - begin < 1


def test_a_pattern_that_takes_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_SECONDS", 0.01)
    normalizer = replaced({"Regex": "(a|aa)+$"}, "x")
    counter = _of_file(write(tmp_path / "base", normalizer=normalizer))
    assert counter is not None
    assert counter.count(WORDS) == _estimate(WORDS)
    begin = time.process_time()
    assert all(counter.count(WORDS) for _ in range(100))
    assert time.process_time() - begin < 1


def test_a_good_one_counts_long_texts_in_pieces(tmp_path: Path) -> None:
    normalizer = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    split = {"type": "WhitespaceSplit"}
    counter = _of_file(write(tmp_path / "base", normalizer=normalizer, pre_tokenizer=split))
    assert counter is not None
    assert counter.exact
    assert counter.encoder is CLIP
    assert counter.count("hat " * 1000) == 3000


class PanicException(BaseException):
    """As Rust's libraries raise it."""


def test_a_library_that_stops_in_the_middle_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stops(*given: Any, **more: Any) -> None:
        raise PanicException("Onig: Regex search error: retry-limit-in-match over")

    monkeypatch.setattr(group, "main", stops)
    assert run(["doctor"]) == 1
    said = capsys.readouterr().err
    assert "stopped in the middle: Onig" in said
    assert "bug" not in said
