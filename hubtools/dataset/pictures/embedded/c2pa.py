"""Content credentials (C2PA) in a picture: are there any, and do they reserve training?

Nothing is verified here: a signature proves who reserves, a reservation is honoured without. Only
as much of JUMBF (ISO 19566-5) and CBOR (RFC 8949) is read as the assertions `c2pa.training-mining`
and `cawg.training-mining` need.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from hubtools.dataset.pictures.embedded.chunks import png_chunks, webp_chunks

if TYPE_CHECKING:
    from PIL import Image

_ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
# What a model asks of a picture for looking at it is no training.
_NOT_TRAINING = "ai_inference"
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA in ISO base media files (AVIF)
# Boxes within boxes, and CBOR within CBOR.
_DEEPEST = 16
_MOST_BOXES = 10_000


class Credentials(NamedTuple):
    """`there`: a manifest was found; `reserved`: what it does not allow, in words."""

    there: bool = False
    reserved: str = ""


def credentials_of(picture: Image.Image, data: bytes) -> Credentials:
    """Read the content credentials of a picture that was opened from `data`. Raises anything on
    hostile bytes."""
    store = _store(picture, data)
    if not store:
        return Credentials()
    reserved: dict[str, None] = {}
    for label, content in _assertions(store, 0, [0]):
        for entry, use in _entries(content):
            if _NOT_TRAINING not in entry and use in ("notAllowed", "constrained"):
                reserved[f"{label}: {entry.rpartition('.')[2]} {use}"] = None
    return Credentials(True, ", ".join(reserved))


def _store(picture: Image.Image, data: bytes) -> bytes:
    """The JUMBF box of the manifest store; empty if there is none."""
    if picture.format in ("JPEG", "MPO"):
        return _in_jpeg(picture)
    if picture.format == "PNG":
        return b"".join(payload for kind, payload in png_chunks(data) if kind == b"caBX")
    if picture.format == "WEBP":
        return b"".join(payload for kind, payload in webp_chunks(data) if kind == b"C2PA")
    if picture.format == "AVIF":
        for kind, content in _boxes(data):
            if kind == b"uuid" and content[:16] == _UUID:
                store = bytes(content)
                start = store.find(b"jumb")
                return store[start - 4 :] if start >= 4 else b""
    return b""


def _in_jpeg(picture: Image.Image) -> bytes:
    """APP11 segments, put together in their order: each begins with JP, the number of its box, its
    place and the box's own head, which only the first may keep."""
    parts: dict[int, list[tuple[int, bytes]]] = {}
    for name, content in getattr(picture, "applist", ()):
        if name == "APP11" and content[:2] == b"JP" and len(content) >= 16:
            number, place = struct.unpack_from(">HI", content, 2)
            parts.setdefault(number, []).append((place, content[8:]))
    for pieces in parts.values():
        ordered = [piece for _, piece in sorted(pieces)]
        box = ordered[0] + b"".join(piece[8:] for piece in ordered[1:])
        if box[4:8] == b"jumb" and b"c2pa" in box[:80]:
            return box
    return b""


def _boxes(data: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(type, content) of boxes that lie one behind the other (ISO 14496-12, 4.2)."""
    view, place = memoryview(data), 0
    while place + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, place)
        head = 8
        if size == 1 and place + 16 <= len(view):
            (size,) = struct.unpack_from(">Q", view, place + 8)
            head = 16
        end = len(view) if size == 0 else place + size
        if end < place + head or end > len(view):
            return
        yield kind, view[place + head : end]
        place = end


def _assertions(
    store: bytes | memoryview, depth: int, seen: list[int]
) -> Iterator[tuple[str, Any]]:
    """(label, value) of all assertions on training, in all manifests: those of the pictures that
    this one was made from count as well."""
    for kind, content in _boxes(store):
        seen[0] += 1
        if kind != b"jumb" or depth > _DEEPEST or seen[0] > _MOST_BOXES:
            continue
        inside = list(_boxes(content))
        label = _label(inside[0][1]) if inside and inside[0][0] == b"jumd" else ""
        # a second assertion of a kind is called c2pa.training-mining__1
        if label.partition("__")[0] in _ASSERTIONS:
            for sort, value in inside[1:]:
                if sort == b"json":
                    yield label, json.loads(bytes(value))
                elif sort == b"cbor":
                    yield label, _cbor(bytes(value), 0, 0)[0]
        else:
            yield from _assertions(content, depth + 1, seen)


def _label(description: memoryview) -> str:
    """Of a description box: 16 bytes of type, one of flags, the label up to a zero."""
    if len(description) < 18 or not description[16] & 2:
        return ""
    return bytes(description[17:273]).partition(b"\0")[0].decode("utf-8", "replace")


def _entries(content: Any) -> Iterator[tuple[str, str]]:
    entries = content.get("entries") if isinstance(content, dict) else None
    for entry, value in entries.items() if isinstance(entries, dict) else ():
        use = value.get("use") if isinstance(value, dict) else None
        if isinstance(entry, str) and isinstance(use, str):
            yield entry, use


def _cbor(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    """(value, place behind it). Keys that are no text are left out; so are numbers' values."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    first, place = data[place], place + 1
    kind, number = first >> 5, first & 31
    endless = number == 31
    if 24 <= number <= 27:
        width = 1 << (number - 24)
        number = int.from_bytes(data[place : place + width], "big")
        place += width
    elif number > 27 and not endless:
        raise ValueError("no such length")
    if kind in (2, 3) and not endless:
        if place + number > len(data):
            raise ValueError("cut off")
        value = data[place : place + number]
        return (value.decode("utf-8", "replace") if kind == 3 else value), place + number
    if kind in (2, 3, 4, 5):
        items: list[Any] = []
        while endless or len(items) < number * (2 if kind == 5 else 1):
            if endless and data[place] == 0xFF:
                place += 1
                break
            item, place = _cbor(data, place, depth + 1)
            items.append(item)
        if kind == 5:
            pairs = zip(items[::2], items[1::2], strict=False)
            return {key: value for key, value in pairs if isinstance(key, str)}, place
        texts = kind == 3 and all(isinstance(item, str) for item in items)
        return ("".join(items) if texts else items), place
    return _cbor(data, place, depth + 1) if kind == 6 else (None, place)
