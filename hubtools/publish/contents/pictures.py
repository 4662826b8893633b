"""What pictures hold in a form that reading their bytes does not show: packed, or cut in pieces."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from hubtools.dataset.pictures.private.kinds import TooMuch
from hubtools.dataset.pictures.private.reading import texts_of, without_pixels
from hubtools.publish.contents.member import NotOpened
from hubtools.publish.contents.streams import streams

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_STARTS = (_PNG, _JPEG, b"GIF8", b"II*\0", b"MM\0*", b"8BPS", b"\xff\x0a", b"\0\0\0\x0cJXL ")
# Bytes of one chunk that are unpacked, and of all of them.
_CHUNK, _ALL = 16 << 20, 64 << 20


def parts(file: IO[bytes], head: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of a picture's texts as the dataset rules read them, of packed chunks of a PNG,
    and of what a JPEG or a GIF cuts in pieces, put together. Ends where the file does not go on as
    it should. Raises `NotOpened` where it is too long."""
    if head.startswith(_STARTS) or head[8:12] == b"WEBP" or head[4:8] == b"ftyp":
        yield from _texts(file)
    if head.startswith(_PNG):
        yield from _png(file)
    elif head.startswith(_JPEG):
        yield from _jpeg(file)
    elif head.startswith((b"GIF87a", b"GIF89a")):
        yield from _gif(file)


def _texts(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    file.seek(0)
    data = file.read(_ALL + 1)
    if len(data) > _ALL and data.startswith(_PNG):
        data = without_pixels(file, _ALL)
    if len(data) > _ALL:
        raise NotOpened(f"metadata of a picture of more than {_ALL >> 20} MB is not read")
    try:
        for name, text in texts_of(data):
            yield name, text.encode("utf-8", "replace")
    except TooMuch as error:
        raise NotOpened(str(error)) from None


def _png(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    left = _ALL
    file.seek(8)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT" or length > _CHUNK:  # longer ones are looked through as a file is
            file.seek(length + 4, 1)
            continue
        data = file.read(length)
        file.seek(4, 1)
        if left > 0:
            for unpacked, _ in streams(data):
                left -= len(unpacked)
                yield kind.decode("latin-1"), unpacked


# What stands before the pieces of a long block.
_EXTENDED, _EXTENDED_HEAD = b"http://ns.adobe.com/xmp/extension/\0", 75


def _jpeg(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    blocks: dict[str, list[bytes]] = {}
    held = 0  # bytes of APP1 pieces
    file.seek(2)
    while len(header := file.read(4)) == 4 and header[0] == 0xFF:
        kind, length = header[1], int.from_bytes(header[2:], "big")
        if kind == 0xDA or length < 2:
            break
        data = file.read(length - 2)
        if kind == 0xFE or 0xE1 <= kind <= 0xEF:
            name = "COM" if kind == 0xFE else f"APP{kind - 0xE0}"
            if data.startswith(_EXTENDED):
                data = data[_EXTENDED_HEAD:]
            elif data.startswith((b"Photoshop 3.0\0", b"ICC_PROFILE\0")):
                data = data[14:]
            elif data.startswith(b"JP") and kind == 0xEB:  # JUMBF: each piece begins with its box
                data = data[16:]
            blocks.setdefault(name, []).append(data)
            held += len(data) if name == "APP1" else 0
        if held > _ALL:
            raise NotOpened(f"its metadata is longer than {_ALL >> 20} MB")
    for name, pieces in blocks.items():
        if len(pieces) > 1:
            yield name, b"".join(pieces)


def _gif(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Comments and blocks of programs: pieces of at most 255 bytes, each with its length."""
    file.seek(6)
    screen = file.read(7)
    if len(screen) < 7:
        return
    if screen[4] & 0x80:
        file.seek(3 << ((screen[4] & 7) + 1), 1)
    left = _ALL
    while left > 0 and (mark := file.read(1)):
        if mark == b"!":
            label = file.read(1)
            data = _pieces(file, left)
            left -= len(data)
            if len(data) > 12 and label in (b"\xfe", b"\xff", b"\x01"):
                yield "comment" if label == b"\xfe" else "block", data
            if left <= 0:
                raise NotOpened(f"its comments are longer than {_ALL >> 20} MB")
        elif mark == b",":
            descriptor = file.read(9)
            if len(descriptor) < 9:
                return
            if descriptor[8] & 0x80:
                file.seek(3 << ((descriptor[8] & 7) + 1), 1)
            file.seek(1, 1)
            while (length := file.read(1)) and length != b"\0":
                file.seek(length[0], 1)
        else:
            return


def _pieces(file: IO[bytes], most: int) -> bytes:
    found = bytearray()
    while (length := file.read(1)) and length != b"\0" and len(found) < most:
        found += file.read(length[0])
    return bytes(found)
