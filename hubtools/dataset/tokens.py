"""How long a caption is for the text encoder, without loading one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# CLIP's window is 77 tokens, two of which mark beginning and end (openai/CLIP, `context_length`).
CLIP_WINDOW = 77


@dataclass(frozen=True)
class TokenCounter:
    """Counts tokens of a text. `exact` is False for an estimate; `window` includes two marks."""

    count: Callable[[str], int]
    exact: bool
    source: str
    window: int = CLIP_WINDOW

    @property
    def room(self) -> int:
        """Tokens a caption may have."""
        return self.window - 2


def token_counter(base: Path | None = None) -> TokenCounter:
    """The base model's own tokenizer if `base` is a pipeline folder, else CLIP's vocabulary if it
    is installed, else an estimate."""
    if base is not None and (counter := _of_base(base)):
        return counter
    return _of_clip()


@cache  # reading the vocabulary takes a third of a second
def _of_clip() -> TokenCounter:
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return TokenCounter(_estimate, False, "an estimate")
    tokenizer = Tokenizer()
    return TokenCounter(lambda text: len(tokenizer.encode(text)), True, "CLIP's vocabulary")


def _of_base(base: Path) -> TokenCounter | None:
    file = base / "tokenizer" / "tokenizer.json"
    if not file.is_file():
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    tokenizer = Tokenizer.from_file(str(file))
    return TokenCounter(
        lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids),
        True,
        "the base model's tokenizer",
    )


def _estimate(text: str) -> int:
    """CLIP splits rare words in pieces of about four letters and every punctuation mark apart."""
    pieces = re.findall(r"[A-Za-z]+|\d|[^\sA-Za-z\d]", text)
    return sum(1 if len(piece) <= 7 else math.ceil(len(piece) / 5) for piece in pieces)
