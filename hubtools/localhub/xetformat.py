"""What a Xet client sends: xorbs, which hold chunks of files, and shards, which say how files are
made of them. https://huggingface.co/docs/xet/en/shard and /xorb describe both. Nothing is believed:
a file counts only when the bytes that it is put together from have the SHA-256 that it names."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

_HEAD = 48  # bytes of a shard's header, and of each of its rows
_END = b"\xff" * 32
_VERIFIED, _WITH_SHA256 = 1 << 31, 1 << 30
_CHUNK_HEAD = 8
_PACKINGS = (0, 1, 2)  # as it is, LZ4, LZ4 of bytes in groups of four
MOST_CHUNKS = 8192  # of a xorb
LARGEST_XORB = 128 << 20  # bytes; clients stop at 64 MiB
LARGEST_SHARD = 128 << 20
MOST_ROWS = 400_000  # files and segments of a shard: some 60 MB of memory


class NotXet(Exception):
    """These bytes are no xorb or shard."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The chunks `start` to `end` (not included) of a xorb: `size` bytes of a file."""

    xorb: str
    size: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
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
    names: dict[bytes, str] = {}  # of xorbs, each once
    at, rows = _HEAD, 0
    try:
        while (head := data[at : at + 32]) != _END:
            flags, count = struct.unpack_from("<II", data, at + 32)
            at += _HEAD
            rows += 1 + count
            if rows > MOST_ROWS:
                raise NotXet
            segments = []
            for row in range(at, at + count * _HEAD, _HEAD):
                size, start, end = struct.unpack_from("<III", data, row + 36)
                if start >= end:
                    raise NotXet
                xorb = data[row : row + 32]
                if xorb not in names:
                    names[xorb] = _text(xorb)
                segments.append(Segment(names[xorb], size, start, end))
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
    """Where each chunk of a xorb begins, and where the last one ends, there and unpacked; how each
    is packed (0: not at all)."""

    offsets: Sequence[int]
    plain_offsets: Sequence[int]
    packed: bytes

    def __len__(self) -> int:
        return len(self.packed)

    def size(self, segment: Segment) -> int:
        """Bytes of the segment, unpacked, as the chunks have it."""
        return self.plain_offsets[segment.end] - self.plain_offsets[segment.start]

    def plain(self, segment: Segment) -> bool:
        """True if the bytes of the segment stand there as they are."""
        return not any(self.packed[segment.start : segment.end])


def chunks_of(xorb: IO[bytes], size: int) -> Chunks:
    """The chunks of a xorb of `size` bytes. Raises `NotXet`."""
    offsets, plain_offsets, packed = array("Q", [0]), array("Q", [0]), bytearray()
    while (at := offsets[-1]) + _CHUNK_HEAD <= size:
        xorb.seek(at)
        head = xorb.read(_CHUNK_HEAD)
        if head[:1] != b"\0":  # what follows the chunks is for the client
            break
        here, plain = (int.from_bytes(head[i : i + 3], "little") for i in (1, 5))
        end = at + _CHUNK_HEAD + here
        if end > size or len(packed) == MOST_CHUNKS or head[4] not in _PACKINGS:
            raise NotXet
        if head[4] == 0 and here != plain:
            raise NotXet
        offsets.append(end)
        plain_offsets.append(plain_offsets[-1] + plain)
        packed.append(head[4])
    if not packed:
        raise NotXet
    return Chunks(offsets, plain_offsets, bytes(packed))


def plain_bytes(xorb: IO[bytes], chunks: Chunks, segment: Segment) -> Iterator[bytes]:
    """The bytes of a segment that is `plain`, chunk by chunk."""
    for number in range(segment.start, segment.end):
        start, end = chunks.offsets[number : number + 2]
        xorb.seek(start + _CHUNK_HEAD)
        yield xorb.read(end - start - _CHUNK_HEAD)
