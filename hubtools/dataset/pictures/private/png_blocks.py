"""A PNG as its chunks (W3C PNG, 5)."""

from __future__ import annotations

import struct
import zlib

from hubtools.dataset.pictures.private.kinds import Damaged

PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IDAT", b"fdAT")
_CHUNK_HEAD = struct.Struct(">I4s")


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, content) of all chunks up to IEND. Raises `Damaged` if one is cut off."""
    return [(kind, data[start:end]) for kind, start, end in chunk_places(data)]


def chunk_places(data: bytes) -> list[tuple[bytes, int, int]]:
    """(kind, where its content begins, and ends) of these chunks."""
    chunks: list[tuple[bytes, int, int]] = []
    place = len(PNG)
    while place < len(data):
        length, kind = _CHUNK_HEAD.unpack_from(data, place)
        end = place + 12 + length
        if end > len(data):
            raise Damaged("it is cut off")
        chunks.append((kind, place + 8, end - 4))
        place = end
        if kind == b"IEND":
            break
    return chunks


def beside_pixels(data: bytes) -> bytes:
    """The file without the chunks that hold its pixels; what follows IEND stays. Raises `Damaged`
    if a chunk is cut off."""
    view = memoryview(data)
    parts: list[memoryview] = []
    place = 0
    for kind, start, end in chunk_places(data):
        if kind in _PIXELS:
            parts.append(view[place : start - 8])
            place = end + 4
    parts.append(view[place:])
    return b"".join(parts)


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, with their checksums."""
    parts = [PNG]
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content)
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
