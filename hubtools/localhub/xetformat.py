"""What a Xet client sends: xorbs, which hold chunks of files, and shards, which say how files are
made of them. https://huggingface.co/docs/xet/en/shard and /xorb describe both. Nothing is believed:
a file counts only when the bytes that it is put together from have the SHA-256 that it names."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

_HEAD = 48  # bytes of a shard's header, and of each of its rows
_END = b"\xff" * 32
_VERIFIED, _WITH_SHA256 = 1 << 31, 1 << 30
_CHUNK_HEAD = 8
MOST_CHUNKS = 8192  # of a xorb
LARGEST_XORB = 128 << 20  # bytes; clients stop at 64 MiB
LARGEST_SHARD = 128 << 20


class NotXet(Exception):
    """These bytes are no xorb or shard."""


@dataclass(frozen=True)
class Segment:
    """The chunks `start` to `end` (not included) of a xorb: `size` bytes of a file."""

    xorb: str
    size: int
    start: int
    end: int


@dataclass(frozen=True)
class XetFile:
    """A file as a shard describes it. `sha256`: as the client has reckoned it, or None."""

    hash: str
    segments: tuple[Segment, ...]
    sha256: str | None

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(segment.size for segment in self.segments)

    def between(self, start: int, end: int) -> tuple[int, Sequence[Segment]]:
        """The segments that hold the bytes from `start` to `end` (not included), and where in the
        first of them `start` is."""
        found: list[Segment] = []
        here = offset = 0
        for segment in self.segments:
            if here < end and here + segment.size > start:
                if not found:
                    offset = start - here
                found.append(segment)
            here += segment.size
        return offset, found


def _text(data: bytes) -> str:
    """A hash as people write it: four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", data))


def parse_shard(data: bytes) -> list[XetFile]:
    """The files of a shard. Raises `NotXet`."""
    found: list[XetFile] = []
    at = _HEAD
    try:
        while (head := data[at : at + 32]) != _END:
            flags, count = struct.unpack_from("<II", data, at + 32)
            at += _HEAD
            segments = []
            for row in range(at, at + count * _HEAD, _HEAD):
                size, start, end = struct.unpack_from("<III", data, row + 36)
                if start >= end:
                    raise NotXet
                segments.append(Segment(_text(data[row : row + 32]), size, start, end))
            at += count * _HEAD * (2 if flags & _VERIFIED else 1)
            sha256 = None
            if flags & _WITH_SHA256:
                sha256 = _text(data[at : at + 32])
                at += _HEAD
            found.append(XetFile(_text(head), tuple(segments), sha256))
    except struct.error:
        raise NotXet from None
    return found


@dataclass(frozen=True)
class Chunks:
    """Where each chunk of a xorb begins, and where the last one ends; how each is packed (0: not
    at all)."""

    offsets: tuple[int, ...]
    packed: bytes

    def __len__(self) -> int:
        return len(self.packed)

    def plain(self, segment: Segment) -> bool:
        """True if the bytes of the segment stand there as they are."""
        return not any(self.packed[segment.start : segment.end])


def chunks_of(xorb: IO[bytes], size: int) -> Chunks:
    """The chunks of a xorb of `size` bytes. Raises `NotXet`."""
    offsets, packed = [0], bytearray()
    while (at := offsets[-1]) + _CHUNK_HEAD <= size:
        xorb.seek(at)
        head = xorb.read(_CHUNK_HEAD)
        if head[:1] != b"\0":  # what follows the chunks is for the client
            break
        end = at + _CHUNK_HEAD + int.from_bytes(head[1:4], "little")
        if end > size or len(packed) == MOST_CHUNKS:
            raise NotXet
        offsets.append(end)
        packed.append(head[4])
    if not packed:
        raise NotXet
    return Chunks(tuple(offsets), bytes(packed))


def plain_bytes(xorb: IO[bytes], chunks: Chunks, segment: Segment) -> Iterator[bytes]:
    """The bytes of a segment that is `plain`, chunk by chunk."""
    for number in range(segment.start, segment.end):
        start, end = chunks.offsets[number : number + 2]
        xorb.seek(start + _CHUNK_HEAD)
        yield xorb.read(end - start - _CHUNK_HEAD)
