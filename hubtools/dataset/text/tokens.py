"""How long a caption is for the text encoders of a model, without loading one."""

from __future__ import annotations

import json
import math
import re
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

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
        if not _is_bounded(tokenizer):
            return None
    except Exception:  # not installed, or a file that it cannot read (it raises bare Exceptions)
        return None
    return TokenCounter(_Bounded(tokenizer), True, "the base model's tokenizer")


_PIECE = 2000  # letters that a tokenizer is given at once
_SECONDS = 2.0  # of the processor, for one piece; a tokenizer needs milliseconds
_GROWTH = 200  # letters that one may become: the signs of T5's 33, and its spaces twice as many
_INSERTED = 100  # letters


class _Bounded:
    """Counts with a tokenizer that anybody may have made. Its patterns may take for ever, or make
    the library stop in the middle; then, and from then on, the count is an estimate."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer: Any = tokenizer

    def __call__(self, text: str) -> int:
        text = in_pieces(text)
        pieces = [text] if len(text) <= _PIECE else re.findall(rf"(?s).{{1,{_PIECE}}}(?!\S)", text)
        count, begin = 0, time.thread_time()
        for done, piece in enumerate(pieces, start=1):
            if self._tokenizer is None:
                return _estimate(text)
            try:
                count += len(self._tokenizer.encode(piece, add_special_tokens=False).ids)
            except BaseException as error:
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                self._tokenizer = None
            if time.thread_time() - begin > _SECONDS * done:
                self._tokenizer = None
        return _estimate(text) if self._tokenizer is None else count


def _is_bounded(tokenizer: Any) -> bool:
    """Whether a tokenizer makes no more than some letters of each."""
    model = tokenizer.model
    names = ("continuing_subword_prefix", "end_of_word_suffix")
    around = [getattr(model, name, None) or "" for name in names]
    if any(len(one) > _INSERTED for one in around):
        return False
    if tokenizer.normalizer is None:
        return True
    return _growth(json.loads(tokenizer.normalizer.__getstate__())) <= _GROWTH


def _growth(normalizer: dict[str, Any]) -> float:
    """Letters that a normalizer makes of one, at most; infinite if it inserts a long text."""
    inner = normalizer.get("normalizers", ())
    growth: float = math.prod(map(_growth, inner))
    content = str(normalizer.get("content", ""))
    if max(len(content), len(str(normalizer.get("prepend", "")))) > _INSERTED:
        return math.inf
    if content:
        found = normalizer.get("pattern", {}).get("String", "")
        growth *= max(1.0, len(content) / len(found)) if found else 1 + len(content)
    if packed := normalizer.get("precompiled_charsmap"):
        growth *= _longest(b64decode(packed))
    return growth


def _longest(charsmap: bytes) -> int:
    """The longest text that a table of sentencepiece puts in the place of a sign, in bytes: behind
    its index, whose length comes first, they stand with a NUL behind each."""
    texts = charsmap[4 + int.from_bytes(charsmap[:4], "little") :]
    return max(map(len, texts.split(b"\0")), default=1) or 1


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
