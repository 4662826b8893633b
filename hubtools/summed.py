"""Outputs that carry the SHA-256 of all else that is in them.

So a file as hubtools wrote it is told from one that a person has changed since: the first may be
written over, the second may not.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Behind the signature and the header (PNG, third edition, 11.2.1).
_PLACE = len(_SIGNATURE) + 25
DRAWN = b" (drawn)"  # by a pipeline; sheets, charts and pictures of a card say nothing
_MARK = b"SHA-256 of all above: "
_LINE = re.compile(rb"[^\n]{0,8}" + _MARK + rb"([0-9a-f]{64})[^\n]{0,8}\n")
_LONGEST = 200  # bytes of the last line
_KEY = b'"sha256_of_the_rest"'
JSON_SUM = _KEY.decode().strip('"')  # the last key of an object that carries its sum
_END, _NEXT = b"\n}\n", b",\n  "
_BAG = _NEXT + b'"properties": {'


def _says(kind: bytes) -> bytes:
    return b"Software\0hubtools" + kind + b", SHA-256 of the rest "


def summed_png(png: bytes, kind: bytes = b"") -> bytes:
    """A PNG with its sum in a text chunk, which says what `kind` of picture it is."""
    text = b"tEXt" + _says(kind) + _hex(png)
    size, check = struct.pack(">I", len(text) - 4), struct.pack(">I", zlib.crc32(text))
    return png[:_PLACE] + size + text + check + png[_PLACE:]


def is_summed_png(data: bytes, kind: bytes = b"") -> bool:
    """Whether these are the bytes that `summed_png` has made of a picture of this `kind`."""
    says = _says(kind)
    end = _PLACE + len(says) + 64 + 12  # bytes: text, length, type and checksum
    chunk = data[_PLACE:end]
    rest = data[:_PLACE] + data[end:]
    return chunk[8:-4] == says + _hex(rest) and data.startswith(_SIGNATURE)


def summed_text(text: str, before: str, after: str = "") -> str:
    """A text with its sum in a last line, between `before` and `after`, which make a comment of
    it."""
    whole = text if text.endswith("\n") else f"{text}\n"
    sum_ = hashlib.sha256(whole.encode("utf-8")).hexdigest()
    return f"{whole}{before}{_MARK.decode()}{sum_}{after}\n"


def is_summed_text(data: bytes) -> bool:
    """Whether these are the bytes of a text that `summed_text` has made."""
    start = data.rfind(b"\n", max(0, len(data) - _LONGEST), len(data) - 1) + 1
    found = _LINE.fullmatch(data[start:])
    return found is not None and found[1] == _hex(data[:start])


def summed_json(data: bytes, *, bag: bool = False) -> bytes:
    """An indented JSON object, which is not empty and ends in a line end, with its sum as the last
    key; with `bag` in `properties`, which SARIF has for what it does not know."""
    assert data.endswith(_END)
    before, after = (_BAG, b"}") if bag else (_NEXT, b"")
    return data.removesuffix(_END) + before + _KEY + b': "' + _hex(data) + b'"' + after + _END


def summed_lines(data: bytes) -> bytes:
    """JSON objects, one a line and at least one, with the sum of all else as the last key of the
    last."""
    assert data.endswith(b"}\n")
    return data[:-2] + b", " + _KEY + b': "' + _hex(data) + b'"}\n'


def are_summed_lines(data: bytes) -> bool:
    """Whether these are the bytes that `summed_lines` has made."""
    rest, found, _ = data.rpartition(b", " + _KEY)
    return bool(found) and summed_lines(rest + b"}\n") == data


def json_was_changed(data: bytes) -> bool:
    """Whether these are the bytes of what `summed_json` has made and somebody has changed since."""
    if _KEY not in data:
        return False
    rest = data[: data.rfind(_KEY)]
    bag = rest.endswith(_BAG)
    return summed_json(rest.removesuffix(_BAG if bag else _NEXT) + _END, bag=bag) != data


def _hex(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
