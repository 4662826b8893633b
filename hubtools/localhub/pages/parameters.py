"""What a picture says of how it was drawn: the text that generators write into PNG files."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST = 64 * 1024
_CHUNKS = 8  # each may be that long, and a page has many pictures
_NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r"([A-Za-z][A-Za-z ]{0,30}): ([^,]{0,200})(?:, |$)")


def drawn_with(file: BinaryIO) -> list[tuple[str, str]]:
    """(name, value) of the prompt and what else a PNG notes under `parameters`, as AUTOMATIC1111
    writes it; nothing of a file that is no PNG or notes none. Reads its first chunks only."""
    for keyword, text in _texts(file):
        if keyword == "parameters":
            return _parts(text)
    return []


def _texts(file: BinaryIO) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if file.read(8) != _PNG:
        return found
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT" or length > _LONGEST:
            break
        data = file.read(length)
        file.read(4)
        keyword, _, rest = data.partition(b"\0")
        if kind == b"tEXt":
            found.append((keyword.decode("latin-1"), rest.decode("latin-1")))
        elif kind == b"iTXt" and rest[:1] == b"\0":  # not compressed
            text = rest[2:].split(b"\0", 2)[-1]
            found.append((keyword.decode("latin-1"), text.decode("utf-8", "replace")))
    return found


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
