"""Pictures that say whose they are: XMP, IPTC and C2PA, where each format has them."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

from photos import photo
from PIL import Image

C2PA = bytes.fromhex("6332706100110010800000AA00389B71")
DMI = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"


def xmp(properties: str = "", attributes: str = "") -> bytes:
    """A packet with these elements and attributes in its description."""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:r="http://ns.adobe.com/xap/1.0/rights/" xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/"
 xmlns:t="http://www.w3.org/ns/tdmrep/" {attributes}>{properties}</rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


def alt(name: str, text: str) -> str:
    """A property with a text by language."""
    return f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></{name}>'


def iptc(**texts: str | bytes) -> bytes:
    """Records 2:N, by `n80="..."`."""
    found = b"\x1c\x02\x00\x00\x02\x00\x04"
    for name, text in texts.items():
        data = text.encode() if isinstance(text, str) else text
        found += struct.pack(">BBBH", 0x1C, 2, int(name[1:]), len(data)) + data
    return found


def cbor(value: Any) -> bytes:
    """Maps and short texts."""
    if isinstance(value, dict):
        return bytes([0xA0 | len(value)]) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    text = str(value).encode()
    return (bytes([0x60 | len(text)]) if len(text) < 24 else bytes([0x78, len(text)])) + text


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def described(label: str, *content: bytes) -> bytes:
    return box(b"jumb", box(b"jumd", C2PA, b"\x03", label.encode(), b"\0"), *content)


def manifest(
    uses: dict[str, str],
    label: str = "c2pa.training-mining",
    *,
    json_: bool = False,
    payload: bytes = b"",
) -> bytes:
    """A manifest store with an assertion on training, and one that means nothing."""
    entries = {"entries": {key: {"use": use} for key, use in uses.items()}}
    inside = box(b"json", json.dumps(entries).encode())
    if not json_:
        inside = box(b"cbor", payload or cbor(entries))
    assertions = described(
        "c2pa.assertions",
        described("c2pa.actions", box(b"cbor", b"\xf6")),
        described(label, inside),
    )
    return described("c2pa", described("urn:uuid:1", assertions))


def jpeg(
    picture: Image.Image | None = None, *, iptc: bytes = b"", c2pa: bytes = b"", **save: Any
) -> bytes:
    """`c2pa` is spread over two segments, the second one first."""
    buffer = io.BytesIO()
    (picture or photo(1, (64, 48))).save(buffer, "JPEG", **save)
    segments = b""
    if iptc:
        resource = (
            b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) & 1)
        )
        segments += _segment(0xED, b"Photoshop 3.0\0" + resource)
    if c2pa:
        half = len(c2pa) // 2
        segments += _segment(0xEB, b"JP" + struct.pack(">HI", 1, 2) + c2pa[:8] + c2pa[half:])
        segments += _segment(0xEB, b"JP" + struct.pack(">HI", 1, 1) + c2pa[:half])
    data = buffer.getvalue()
    return data[:2] + segments + data[2:]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def png(
    *chunks: tuple[bytes, bytes], late: bool = False, picture: Image.Image | None = None
) -> bytes:
    """With further chunks, behind the pixels if `late`."""
    buffer = io.BytesIO()
    (picture or photo(1, (64, 64))).save(buffer, "PNG")
    data = buffer.getvalue()
    added = b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    place = len(data) - 12 if late else 33
    return data[:place] + added + data[place:]


def itxt(text: bytes, *, packed: bool = False) -> tuple[bytes, bytes]:
    head = b"XML:com.adobe.xmp\0" + (b"\1\0" if packed else b"\0\0") + b"\0\0"
    return b"iTXt", head + (zlib.compress(text) if packed else text)


def webp(*, c2pa: bytes = b"", **save: Any) -> bytes:
    buffer = io.BytesIO()
    photo(1, (64, 48)).save(buffer, "WEBP", **save)
    data = buffer.getvalue()
    if c2pa:
        data += struct.pack("<4sI", b"C2PA", len(c2pa)) + c2pa + b"\0" * (len(c2pa) & 1)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
