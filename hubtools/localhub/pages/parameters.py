"""What a picture says of how it was drawn, as the names and values that a page shows."""

from __future__ import annotations

import re
from typing import BinaryIO

from hubtools.parameters import parameters_in

_NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r"([A-Za-z][A-Za-z ]{0,30}): ([^,]{0,200})(?:, |$)")


def drawn_with(file: BinaryIO) -> list[tuple[str, str]]:
    """(name, value) of the prompt and what else a picture notes of how it was drawn, as
    AUTOMATIC1111 writes it; nothing of a file that notes none."""
    text = parameters_in(file)
    return _parts(text) if text else []


def _parts(text: str) -> list[tuple[str, str]]:
    lines = text.split("\n")
    last = lines.pop() if len(lines) > 1 and _PAIR.match(lines[-1]) else ""
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in lines:
        if line.startswith(_NEGATIVE):
            into = negative
        into.append(line.removeprefix(_NEGATIVE))
    found = [("Prompt", "\n".join(prompt)), ("Negative prompt", "\n".join(negative))]
    found += [(m[1], m[2]) for m in _PAIR.finditer(last) if m[1] != "Negative prompt"]
    return [(name, value) for name, value in found if value.strip()]
