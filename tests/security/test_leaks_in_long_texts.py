"""What a long text is first asked for (three letters of each telling word) costs no finding."""

from __future__ import annotations

import io
import json
import random

import pytest

from hubtools.leaks import stream
from hubtools.leaks import text as leaks_text
from hubtools.leaks.named import NAMES
from hubtools.leaks.shapes import NEEDLES
from hubtools.leaks.telling import words_in
from hubtools.leaks.text import secrets
from tests.security.secrets_corpus import SECRETS, planted

CAPTION = "a photo of misato looking at viewer, standing in the street, red jacket, long hair"


def rows(count: int, r: random.Random) -> list[str]:
    """Records whose names alone are long enough to be looked at."""
    words = CAPTION.split()
    return [
        json.dumps({"file_name": f"images/{n:06d}.png", "text": " ".join(r.choices(words, k=40))})
        for n in range(count)
    ]


def found(data: bytes) -> set[tuple[int, str]]:
    return {(one.offset, one.secret.value) for one in stream.search(io.BytesIO(data)) if one.secret}


@pytest.mark.parametrize("form", ['"note": "{}"', "{}", "é {}", "{} "])
def test_the_same_is_found(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    r = random.Random(7)
    lines = rows(800, r)
    for number, (_, make) in enumerate(sorted(SECRETS.items())):
        lines.insert(3 + 5 * number, form.format(make(r)))
    data = "\n".join(lines).encode()
    quick = found(data)
    assert len(quick) > len(SECRETS) // 2
    monkeypatch.setattr(stream, "_MANY", 10**9)
    assert quick == found(data)


# Words of one letter and those that are not ASCII are told otherwise.
_WORDS = sorted(word for word in {*NEEDLES, *NAMES} if len(word) > 1 and word.isascii())


@pytest.mark.parametrize("word", _WORDS)
def test_every_word_is_noticed(word: str) -> None:
    assert len(words_in(f"some {word} text".encode()))
    if word in NAMES:
        assert len(words_in(f"some {word.upper()} text".encode()))


def test_captions_have_none() -> None:
    data = "\n".join(rows(100, random.Random(1))).encode()
    assert len(words_in(data)) < 20


def test_words_looked_for_all_at_once_are_those_found_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy  # noqa: F401  (without it they are looked for one by one)

    texts = [data.decode("utf-8", "replace") for _, _, data in planted(3)][::5]
    texts = [text for text in texts if text.isascii() and len(text) < 20_000]
    monkeypatch.setattr(leaks_text, "_LONG", 10**9)
    single = [list(secrets(text)) for text in texts]
    monkeypatch.setattr(leaks_text, "_LONG", 0)
    assert [list(secrets(text)) for text in texts] == single
    assert sum(map(bool, single)) > 50


def test_escaped_values_are_told_on_their_lines() -> None:
    r = random.Random(9)
    values = ["".join(r.choices("0123456789abcdef", k=32)) for _ in range(40)]
    lines = ["a photo" if n % 3 else f"access\\u005fkey: {values[n // 3]}" for n in range(120)]
    text = "\n".join(lines)
    told = {one.value: text.count("\n", 0, one.start) for one in secrets(text)}
    assert told == {value: 3 * n for n, value in enumerate(values)}
