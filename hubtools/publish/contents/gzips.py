"""What stands in the headers of gzip streams beside their data: a name, a comment, extra fields."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import IO

from hubtools.publish.contents.member import Member

_STREAMS = 1000  # one behind the other, whose headers are looked at
_HEADER = 1 << 17


def fields(file: IO[bytes], most: int) -> Iterator[Member]:
    """Fields of every stream's header (RFC 1952, 2.3); up to `most` bytes are unpacked to find
    where the next one begins."""
    place, left = 0, most
    for _ in range(_STREAMS):
        file.seek(place)
        head = file.read(_HEADER)
        if head[:3] != b"\x1f\x8b\x08" or len(head) < 10:
            return
        yield from _of_header(head)
        opened = zlib.decompressobj(31)
        file.seek(place)
        try:
            while not opened.eof and left > 0 and (block := file.read(1 << 16)):
                place += len(block)
                while block and not opened.eof:
                    left -= len(opened.decompress(block, 1 << 20))
                    block = opened.unconsumed_tail if left > 0 else b""
        except zlib.error:
            return
        if not opened.eof:
            return
        place -= len(opened.unused_data)


def _of_header(head: bytes) -> Iterator[Member]:
    flags, place = head[3], 10
    if flags & 4:
        length = int.from_bytes(head[10:12], "little")
        extra, place = head[12 : 12 + length], 12 + length
        yield Member("(extra field)", io.BytesIO(extra))
        if length > 4:  # behind the mark and the length of its first part
            yield Member("(extra field)", io.BytesIO(extra[4:]))
    for flag, name in ((8, "name"), (16, "comment")):
        if flags & flag:
            field = head[place:].partition(b"\0")[0]
            yield Member(f"({name})", io.BytesIO(field))
            place += len(field) + 1
