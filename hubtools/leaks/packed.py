"""Bytes that stand in a text in other letters than base64's, where a frame tells which: uuencode,
base85 and Ascii85, git's binary patches."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

from hubtools.patterns import regex

_MOST = 1 << 20  # bytes of one that are looked at
# `begin 644 name`, and whole lines of one whose beginning is elsewhere
_UU = regex(r"(?m)^begin [0-7]{3,4} [^\n]{1,200}\n|^(?=M[ -`]{60}\r?\nM[ -`]{60}\r?$)")
_UU_LINE = regex(r"[ -`]{1,61}\r?(?:\n|\Z)")
_ASCII85 = regex(r"<~([!-uz\s]{10,})~>")
_BASE85 = regex(r"[^\n]{0,40}?[\"'(:=\s](?:[bB]?[\"'])?([!-~]{20,})")  # behind such a name
_NAMES_85 = ("b", "base", "base-", "z", "a", "ascii")
_PATCH = regex(r"(?m)^(?:literal|delta) \d{1,12}\r?\n((?:[A-Za-z][!-~]{5,65}\r?(?:\n|\Z))+)")
_Z85 = bytes.maketrans(
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
)


def packed(text: str) -> Iterator[tuple[int, bytes]]:
    """(place, bytes) of everything in `text` that is packed so. Linear in its length."""
    if "begin " in text or "\nM" in text:
        yield from _uuencoded(text)
    if "<~" in text:
        for match in _ASCII85.finditer(text):
            yield from _ascii85(match.start(), match[1])
    if "85" in text:
        end = 0
        while (place := text.find("85", end)) >= 0:
            end = place + 2
            if not text[max(0, place - 5) : place].lower().endswith(_NAMES_85):
                continue
            if (found := _BASE85.match(text, end)) is not None:
                yield from _base85(found.start(1), found[1])
                end = found.end()
    if "literal " in text or "delta " in text:
        for match in _PATCH.finditer(text):
            yield from _patch(match.start(1), match[1])


def _uuencoded(text: str) -> Iterator[tuple[int, bytes]]:
    end = 0
    while (match := _UU.search(text, end)) is not None:
        place, found = match.end(), bytearray()
        while len(found) < _MOST and (line := _UU_LINE.match(text, place)) is not None:
            try:
                found += binascii.a2b_uu(line[0].rstrip("\r\n"))
            except (binascii.Error, ValueError):
                break
            place = line.end()
        if found:
            yield match.start(), bytes(found)
        end = max(place, match.end() + 1)


def _ascii85(place: int, body: str) -> Iterator[tuple[int, bytes]]:
    try:
        yield place, base64.a85decode(body[:_MOST])
    except ValueError:
        return


def _base85(place: int, body: str) -> Iterator[tuple[int, bytes]]:
    body = re.split(r"[\"']", body, maxsplit=1)[0][:_MOST].rstrip("),;")
    for piece in (body, body[: len(body) // 5 * 5]):
        data = piece.encode()
        for letters in (data, data.translate(_Z85)):
            try:
                yield place, base64.b85decode(letters)
            except ValueError:
                continue
        yield from _ascii85(place, piece.removeprefix("<~").removesuffix("~>"))


def _patch(place: int, body: str) -> Iterator[tuple[int, bytes]]:
    """Lines of a length and base85, of a zlib stream (git, base85.c)."""
    data = bytearray()
    for line in body.split():
        length = ord(line[0]) - (64 if line[0].isupper() else 70)
        try:
            data += base64.b85decode(line[1:])[:length]
        except ValueError:
            break
        if len(data) > _MOST:
            break
    try:
        yield place, zlib.decompressobj().decompress(data, _MOST)
    except zlib.error:
        return
