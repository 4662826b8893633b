"""What lies beside the pixels in PNG and WebP files, chunk by chunk."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

# Bytes of one text, unpacked.
_LONGEST = 2_000_000


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of a PNG's chunks, also those behind the pixels; pixels are left out. Ends
    where the file does not go on as it should."""
    view, place = memoryview(data), 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            return
        if kind != b"IDAT":
            yield kind, bytes(view[place + 8 : end - 4])
        place = end


def png_without_pixels(file: BinaryIO) -> bytes:
    """A PNG but for the content of its pixels, which is not read."""
    found = [file.read(8)]
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT":
            file.seek(length + 4, os.SEEK_CUR)
            continue
        found += [head, file.read(length + 4)]
    return b"".join(found)


def png_text(kind: bytes, content: bytes) -> tuple[str, str]:
    """(keyword, text) of a chunk tEXt, zTXt or iTXt (PNG specification, 11.3.3). Raises
    `ValueError` or `zlib.error` if it is none."""
    keyword, found, rest = content.partition(b"\0")
    if not found:
        raise ValueError("no keyword")
    packed, charset = kind == b"zTXt", "latin-1"
    if kind == b"iTXt":
        packed, charset = rest[:1] == b"\1", "utf-8"
        _, _, rest = rest[2:].partition(b"\0")  # language
        _, _, rest = rest.partition(b"\0")  # the keyword in that language
    elif packed:
        rest = rest[1:]
    if packed:
        rest = zlib.decompressobj().decompress(rest, _LONGEST)
    return keyword.decode("latin-1"), rest[:_LONGEST].decode(charset, "replace")


def png_texts(chunks: Iterable[tuple[bytes, bytes]], keywords: tuple[bytes, ...]) -> dict[str, str]:
    """The first text of each keyword; what cannot be read is passed over."""
    found: dict[str, str] = {}
    for kind, content in chunks:
        if kind in (b"tEXt", b"zTXt", b"iTXt") and content.partition(b"\0")[0] in keywords:
            with contextlib.suppress(ValueError, zlib.error):
                found.setdefault(*png_text(kind, content))
    return found


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of a WebP's chunks but for pixels."""
    view, place = memoryview(data), 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind not in (b"VP8 ", b"VP8L", b"ANMF", b"ALPH"):
            yield kind, bytes(view[place + 8 : place + 8 + length])
        place += 8 + length + (length & 1)
