"""How long a caption is for the text encoders of a model, without loading one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hubtools.files import StrPath
from hubtools.models.registry import CLIP
from hubtools.models.rows import Encoder, Target
from hubtools.models.targets import folder_of


@dataclass(frozen=True)
class TokenCounter:
    """Counts an encoder's tokens of a text. `exact` is False for an estimate; `source` says whose
    tokens they are."""

    count: Callable[[str], int]
    exact: bool
    source: str
    encoder: Encoder = CLIP

    @property
    def room(self) -> int:
        """Tokens a caption may have."""
        return self.encoder.room

    @property
    def limit(self) -> float:
        """Counts above this are too long; an estimate is given the benefit of the doubt."""
        return self.room if self.exact else self.room * 1.15


def token_counters(
    target: Target | None = None, base: StrPath | None = None
) -> tuple[TokenCounter, ...]:
    """One for each text encoder of `target` (CLIP, if it is None), from narrow to wide: with the
    tokenizer of `base` where that is a pipeline folder or in the Hub's cache, else with CLIP's
    vocabulary, else an estimate."""
    folder = folder_of(base) if base is not None else None
    encoders = target.encoders if target else (CLIP,)
    return tuple(_counter(encoder, folder) for encoder in encoders)


def _counter(encoder: Encoder, folder: Path | None) -> TokenCounter:
    file = folder / encoder.folder / "tokenizer.json" if folder is not None else None
    if file is not None and file.is_file():
        if counter := _of_file(str(file)):
            return replace(counter, encoder=encoder)
        # its tokens may be others than those of the family
        return TokenCounter(_estimate, False, "an estimate", encoder)
    if encoder.name == CLIP.name:
        return replace(_of_clip(), encoder=encoder)
    return TokenCounter(_estimate, False, "an estimate", encoder)


@cache  # reading the vocabulary takes a third of a second
def _of_clip() -> TokenCounter:
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return TokenCounter(_estimate, False, "an estimate")
    tokenizer = Tokenizer()
    return TokenCounter(
        lambda text: len(tokenizer.encode(in_pieces(text))), True, "CLIP's vocabulary"
    )


@cache
def _of_file(file: str) -> TokenCounter | None:
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(file)
        # transformers keeps in the file how it was last called
        tokenizer.no_padding()
        tokenizer.no_truncation()
    except Exception:  # not installed, or a file that it cannot read (it raises bare Exceptions)
        return None
    return TokenCounter(
        lambda text: len(tokenizer.encode(in_pieces(text), add_special_tokens=False).ids),
        True,
        "the base model's tokenizer",
    )


_WORD = 500  # letters; the longest that people write have some dozens


def in_pieces(text: str) -> str:
    """The text with a space within what is longer than any word: tokenizers try the letters of a
    word pair by pair, which takes hours for millions without a space."""
    if len(text) <= _WORD:
        return text
    return re.sub(rf"\S{{{_WORD}}}", r"\g<0> ", text)


def _estimate(text: str) -> int:
    """Rare words are split in pieces of about four letters, and every punctuation mark apart."""
    pieces = re.findall(r"[A-Za-z]+|\d|[^\sA-Za-z\d]", text)
    return sum(1 if len(piece) <= 7 else math.ceil(len(piece) / 5) for piece in pieces)
