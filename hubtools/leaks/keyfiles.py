"""Private keys as bytes, known by what they are made of and never by a file's name: DER of PKCS#8
(RFC 5958), PKCS#1 (RFC 8017, A.1.2), SEC1 (RFC 5915) and PKCS#12 (RFC 7292), the key stores of Java,
KeePass, GnuPG, OpenSSH, macOS, Windows and Kerberos.

Certificates, requests for them, lists of revoked ones and public keys are none, nor are stores that
hold nothing else.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

SHORTEST = 39  # bytes: SEC1, of 256 bits and without its curve
_MOST = 16 << 10  # bytes of one that name it
_HEAD = 256  # the same, of one that does not say where it ends


class _Element(NamedTuple):
    """A tag of ASN.1, and where what it holds begins and ends."""

    tag: int
    start: int
    end: int


PRIVATE = "a private key (DER)"
ENCRYPTED = "an encrypted private key (DER)"
PKCS12 = "a store of private keys (PKCS#12)"

_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
# The version that begins all of them, and the tag behind it.
_VERSION = regex(rb"\x02\x01(?:\x00[\x02\x30]|\x01[\x04\x30]|\x03\x30)")
_PKCS = b"\x2a\x86\x48\x86\xf7\x0d\x01"
# Ciphers with a password, of PKCS#5 and PKCS#12.
_WITH_PASSWORD = regex(rb"\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05[\x01-\x0d]|\x0c\x01[\x01-\x06])")
_CONTENT = (_PKCS + b"\x07\x01", _PKCS + b"\x07\x02")
# Bags of keys, and what is sealed: nobody knows what is in that.
_BAGS = regex(rb"\x2a\x86\x48\x86\xf7\x0d\x01(?:\x0c\x0a\x01[\x01\x02\x05]|\x07[\x03\x06])")
# Bytes of a number of SEC1, by its curve.
_CURVES = frozenset((20, 21, 24, 25, 28, 29, 30, 32, 36, 40, 48, 52, 64, 66, 72))


def key_files(data: bytes, *, start: bool = True) -> Iterator[Secret]:
    """Every private key and every store of them in `data`, its place in bytes; `start`: the data
    begin where a file does. The value is base64 of its first 16 KiB, or of its first
    256 bytes where it does not say its length: the same wherever it lies. Time: a few searches of all bytes."""
    if len(data) < SHORTEST:
        return
    if start and (what := _begins(data)) is not None:
        yield _secret(what, data, 0, _HEAD)
        return
    end, bags = 0, _Bags(data)
    for match in _VERSION.finditer(data):
        if match.start() >= end and (found := _versioned(data, match.start(), bags)) is not None:
            what, first, end = found
            yield _secret(what, data, first, end)
    for match in _WITH_PASSWORD.finditer(data):
        if match.start() >= end and (cipher := _encrypted(data, match.start())) is not None:
            first, end = cipher
            yield _secret(ENCRYPTED, data, first, end)
    for what, magic in _ANYWHERE:
        end = 0
        for match in magic.finditer(data):
            if match.start() >= end:
                end = match.start() + _HEAD
                yield _secret(what, data, match.start(), end)


def is_beginning(secret: Secret) -> bool:
    """Whether a secret goes on behind its value: a store that does not say where it ends."""
    return secret.what in _HEADS


def _secret(what: str, data: bytes, start: int, end: int) -> Secret:
    return Secret(
        what, start, base64.b64encode(data[start : min(end, start + _MOST)]).decode("ascii")
    )


def _element(data: bytes, place: int, end: int) -> _Element | None:
    """What begins at `place` and ends at `end` or before, as DER has it (X.690, 8.1); also without a
    length of its own, then up to `end`."""
    if place + 2 > min(end, len(data)):
        return None
    tag, length, start = data[place], data[place + 1], place + 2
    if length == 0x80:
        return _Element(tag, start, end) if tag & 0x20 else None
    if length > 0x80:
        count = length & 0x7F
        if count > 4 or start + count > end:
            return None
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    return _Element(tag, start, start + length) if start + length <= end else None


def _around(data: bytes, place: int) -> Iterator[tuple[int, _Element]]:
    """(start, element) of each sequence whose content may begin at `place`. Its end may be behind
    that of the data if so much of it is there as is looked at."""
    for size in (2, 3, 4, 5):
        first = place - size
        if first < 0 or data[first] != _SEQUENCE:
            continue
        limit = len(data) if len(data) - first < _MOST else first + (1 << 32)
        found = _element(data, first, limit)
        if found is not None and found.start == place:
            yield first, found


class _Bags:
    """Where bags of keys stand in data: looked for once, however many stores seem to begin."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [match.span() for match in _BAGS.finditer(self._data)]

    def within(self, start: int, end: int) -> bool:
        """Whether one stands between these places."""
        at = bisect_left(self._spans, (start, 0))
        return at < len(self._spans) and self._spans[at][1] <= end


def _versioned(data: bytes, place: int, bags: _Bags) -> tuple[str, int, int] | None:
    """(what, start, end) of the key whose version is at `place`."""
    for first, whole in _around(data, place):
        end = min(whole.end, len(data))
        if data[place + 2] == 3:
            what = PKCS12 if _is_store(data, place + 3, end, bags) else None
        elif data[place + 3] == _SEQUENCE:
            what = PRIVATE if _is_pkcs8(data, place + 3, end) else None
        elif data[place + 3] == _OCTETS:
            what = PRIVATE if _is_sec1(data, place + 3, end) else None
        else:
            what = PRIVATE if _is_numbers(data, place, end) else None
        if what is not None:
            return what, first, end
    return None


def _is_pkcs8(data: bytes, place: int, end: int) -> bool:
    """Behind the version an algorithm, the key's octets, then at most attributes."""
    algorithm = _element(data, place, end)
    if algorithm is None or _element_tag(data, algorithm.start, algorithm.end) != _OID:
        return False
    key = _element(data, algorithm.end, end)
    if key is None or key.tag != _OCTETS or key.end - key.start < 16:
        return False
    return key.end == end or data[key.end] in (0xA0, 0xA1, 0x80, 0x81, 0)


def _element_tag(data: bytes, place: int, end: int) -> int | None:
    found = _element(data, place, end)
    return None if found is None else found.tag


def _is_sec1(data: bytes, place: int, end: int) -> bool:
    """Behind the version the number, then at most the curve and the public key."""
    number = _element(data, place, end)
    if number is None or number.end - number.start not in _CURVES:
        return False
    if number.end == end:
        return True
    more = _element(data, number.end, end)
    if more is None:
        return False
    inner = _element_tag(data, more.start, more.end)
    return (more.tag, inner) in ((0xA0, _OID), (0xA0, _SEQUENCE), (0xA1, 0x03))


def _is_numbers(data: bytes, place: int, end: int) -> bool:
    """Nothing but numbers, the first of them long: nine or more of RSA, six of DSA."""
    sizes: list[int] = []
    while place < end and len(sizes) < 40:
        number = _element(data, place, end)
        if number is None or number.tag != _INTEGER:
            return False
        sizes.append(number.end - number.start)
        place = number.end
    return place == end and (len(sizes) == 6 or len(sizes) >= 9) and sizes[1] >= 32


def _is_store(data: bytes, place: int, end: int, bags: _Bags) -> bool:
    """PKCS#12, unless all that it holds can be read and is no key."""
    content = _element(data, place, 1 << 40)
    if content is None:
        return False
    kind = _element(data, content.start, content.end)
    if kind is None or kind.tag != _OID or data[kind.start : kind.end] not in _CONTENT:
        return False
    return bags.within(kind.end, end)


def _encrypted(data: bytes, place: int) -> tuple[int, int] | None:
    """(start, end) of a key in a cipher whose name is at `place` (RFC 5958, 3)."""
    if place < 6 or data[place - 2] != _OID:
        return None
    for first, algorithm in _around(data, place - 2):
        for start, whole in _around(data, first):
            end = min(whole.end, len(data))
            key = _element(data, algorithm.end, end)
            if key is not None and key.tag == _OCTETS and key.end == end:
                return start, end
    return None


def _u16(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _u32(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")


def _is_java(data: bytes) -> bool:
    """Whether a key store of Java has an entry that is no certificate."""
    typed, place = _u32(data, 4) == 2, 12
    for _ in range(min(_u32(data, 8), 10_000)):
        if (tag := _u32(data, place)) != 2:
            return tag in (1, 3) and place + 4 < len(data)
        place += 4
        place += 2 + _u16(data, place) + 8
        place += 2 + _u16(data, place) if typed else 0
        place += 4 + _u32(data, place)
    return False


# RFC 9580, 9.1
_ALGORITHMS = frozenset((1, 2, 3, 16, 17, 18, 19, 20, 22, 25, 26, 27, 28))
_OF_RSA = frozenset((1, 2, 3, 16, 17, 20))


def _is_openpgp(data: bytes) -> bool:
    """Whether data begin with a secret key of OpenPGP (RFC 9580, 5.5.3), and other packets follow."""
    found = _packet(data, 0)
    if found is None or found.tag not in (5, 7):
        return False
    place, end = found.start, found.end
    version = data[place]
    if version not in (3, 4, 5, 6) or not 0x20000000 <= _u32(data, place + 1) < 0xF0000000:
        return False
    place += 7 if version == 3 else 5
    if data[place] not in _ALGORITHMS:
        return False
    numbers = place + (1 if version < 5 else 5)
    if data[place] in _OF_RSA and not 512 <= _u16(data, numbers) <= 16_384:
        return False
    return end == len(data) or data[end] >= 0x80


def _packet(data: bytes, place: int) -> _Element | None:
    """(tag, start, end) of a packet of OpenPGP with a length of its own (RFC 9580, 4.2)."""
    if place + 16 > len(data) or data[place] < 0x80:
        return None
    first, size = data[place], data[place + 1]
    if first & 0x40:
        tag, start, length = first & 0x3F, place + 2, size
        if size == 255:
            start, length = place + 6, _u32(data, place + 2)
        elif size >= 224:
            return None
        elif size >= 192:
            start, length = place + 3, ((size - 192) << 8) + data[place + 2] + 192
    else:
        count = (1, 2, 4, 0)[first & 3]
        if not count:
            return None
        tag, start = (first >> 2) & 0xF, place + 1 + count
        length = int.from_bytes(data[place + 1 : start], "big")
    return _Element(tag, start, start + length) if 20 <= length <= len(data) - start else None


_KEYTAB = regex(rb"\x05\x02\0\0[\0-\x0f][\0-\xff]\0[\1-\4]\0[\1-\x7f][A-Za-z0-9.-]{3}")
_ANYWHERE = (
    ("an OpenSSH private key", regex(rb"openssh-key-v1\0\0\0\0")),
    (
        "a private key (GnuPG)",
        regex(rb"private-key\(\d:(?:rsa|dsa|elg|ec)"),
    ),
    ("a database of passwords (KeePass)", regex(rb"\x03\xd9\xa2\x9a[efg]\xfbK\xb5")),
)


_JAVA = "a store of private keys (Java)"
_PVK = "a private key of Windows (PVK)"
_BLOB = "a private key of Windows"
_KEYCHAIN = "a keychain of macOS"
_SAFE = "a database of passwords (Password Safe)"
_SSH1 = "a private key of SSH 1"
_TAB = "a keytab of Kerberos"
_RING = "a secret key of OpenPGP"
_HEADS = frozenset(
    (_JAVA, _PVK, _BLOB, _KEYCHAIN, _SAFE, _SSH1, _TAB, _RING, *(what for what, _ in _ANYWHERE))
)
WHOLE = _HEADS | {PRIVATE, ENCRYPTED, PKCS12}
"""All that `key_files` says of one."""


def _begins(data: bytes) -> str | None:
    """What a file is that begins so, of those that have no other form."""
    head = data[:16]
    if head[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        known = _u32(head, 4) in (1, 2) and _is_java(data)
        return _JAVA if known else None
    if head[:4] == b"\x1e\xf1\xb5\xb0" and head[4:8] == bytes(4):
        return _PVK
    if head[:2] == b"\x07\x02" and head[8:12] in (b"RSA2", b"DSS2", b"DSS4"):
        return _BLOB
    if head[:6] == b"kych\0\1":
        return _KEYCHAIN
    if head[:4] == b"PWS3" and not data[:64].isascii():
        return _SAFE
    if data.startswith(b"SSH PRIVATE KEY FILE FORMAT 1.1\n"):
        return _SSH1
    if _KEYTAB.match(data):
        return _TAB
    return _RING if head[0] >= 0x94 and _is_openpgp(data) else None
