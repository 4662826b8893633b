"""A file of a few columns: a magic line, a digest of the rest, a line of JSON, and raw bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import xxhash

from hubtools.files import json_value


def pack(magic: bytes, head: Mapping[str, Any], parts: Mapping[str, bytes]) -> Iterator[bytes]:
    """The pieces of the file, in order."""
    lengths = {name: len(part) for name, part in parts.items()}
    first = json.dumps({**head, "parts": lengths}).encode() + b"\n"
    digest = xxhash.xxh3_128(first)
    for part in parts.values():
        digest.update(part)
    yield magic + digest.hexdigest().encode() + first
    yield from parts.values()


def unpack(magic: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `pack` wrote. Raises `ValueError` for any other file, and for a damaged one."""
    start = len(magic) + 32
    digest = xxhash.xxh3_128_hexdigest(memoryview(data)[start:]).encode()
    if not data.startswith(magic + digest):
        raise ValueError("another kind of file, or a damaged one")
    end = data.index(b"\n", start)
    head = json_value(data[start:end])
    parts, place = {}, end + 1
    for name, length in head["parts"].items():
        parts[name] = data[place : place + length]
        if not isinstance(length, int) or len(parts[name]) != length:
            raise ValueError("cut off")
        place += length
    return head, parts
