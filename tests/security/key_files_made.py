"""Private keys, stores of them, and what is made of the same and holds none, as bytes: put together
here of random numbers, and of no use to anybody."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

PKCS = bytes.fromhex("2a864886f70d01")
_CURVE = bytes.fromhex("06082a8648ce3d030107")
_NAME = bytes.fromhex("310b3009060355040613025553")  # C=US


def der(tag: int, *parts: bytes) -> bytes:
    """An element of ASN.1."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + len(body).to_bytes(size, "big") + body


def number(r: random.Random, size: int) -> bytes:
    return der(2, bytes((r.randrange(1, 128),)) + r.randbytes(size - 1))


def small(value: int) -> bytes:
    return der(2, bytes((value,)))


def oid(*parts: bytes) -> bytes:
    return der(6, *parts)


_RSA = der(0x30, oid(PKCS, b"\1\1"), b"\5\0")
_SHA = der(0x30, oid(PKCS, b"\1\x0b"), b"\5\0")


def pkcs1(r: random.Random, bits: int = 2048) -> bytes:
    size = bits // 8
    halves = [number(r, size // 2) for _ in range(5)]
    return der(0x30, small(0), number(r, size), der(2, b"\1\0\1"), number(r, size), *halves)


def pkcs8(r: random.Random) -> bytes:
    return der(0x30, small(0), _RSA, der(4, pkcs1(r)))


def ed25519(r: random.Random) -> bytes:
    algorithm = der(0x30, oid(bytes.fromhex("2b6570")))
    return der(0x30, small(0), algorithm, der(4, der(4, r.randbytes(32))))


def ed25519_with_public(r: random.Random) -> bytes:
    algorithm = der(0x30, oid(bytes.fromhex("2b6570")))
    key = der(4, der(4, r.randbytes(32)))
    return der(0x30, small(1), algorithm, key, der(0x81, b"\0" + r.randbytes(32)))


def sec1(r: random.Random) -> bytes:
    public = der(0xA1, der(3, b"\0\4" + r.randbytes(64)))
    return der(0x30, small(1), der(4, r.randbytes(32)), der(0xA0, _CURVE), public)


def sec1_alone(r: random.Random) -> bytes:
    return der(0x30, small(1), der(4, r.randbytes(48)))


def dsa(r: random.Random) -> bytes:
    return der(0x30, small(0), *(number(r, size) for size in (256, 32, 256, 256, 32)))


def _pbes2(r: random.Random) -> bytes:
    derived = der(0x30, oid(PKCS, b"\5\x0c"), der(0x30, der(4, r.randbytes(8)), number(r, 2)))
    cipher = der(0x30, oid(bytes.fromhex("60864801650304012a")), der(4, r.randbytes(16)))
    return der(0x30, oid(PKCS, b"\5\x0d"), der(0x30, derived, cipher))


def encrypted(r: random.Random) -> bytes:
    return der(0x30, _pbes2(r), der(4, r.randbytes(1232)))


def encrypted_of_old(r: random.Random) -> bytes:
    algorithm = der(
        0x30, oid(PKCS, b"\x0c\1\3"), der(0x30, der(4, r.randbytes(8)), small(20) + b"")
    )
    return der(0x30, algorithm, der(4, r.randbytes(640)))


def certificate(r: random.Random) -> bytes:
    name = der(0x30, _NAME)
    dates = der(0x30, der(0x17, b"260101000000Z"), der(0x17, b"270101000000Z"))
    serial = number(r, 8)
    inner = der(0x30, der(0xA0, small(2)), serial, _SHA, name, dates, name, public_key(r))
    return der(0x30, inner, _SHA, der(3, b"\0" + r.randbytes(256)))


def request(r: random.Random) -> bytes:
    """For a certificate (RFC 2986)."""
    inner = der(0x30, small(0), der(0x30, _NAME), public_key(r), der(0xA0))
    return der(0x30, inner, _SHA, der(3, b"\0" + r.randbytes(256)))


def revoked(r: random.Random) -> bytes:
    """A list of revoked certificates (RFC 5280, 5.1)."""
    name = der(0x30, _NAME)
    row = der(0x30, number(r, 8), der(0x17, b"260101000000Z"))
    inner = der(0x30, small(1), _SHA, name, der(0x17, b"260101000000Z"), der(0x30, row))
    return der(0x30, inner, _SHA, der(3, b"\0" + r.randbytes(256)))


def public_key(r: random.Random) -> bytes:
    return der(0x30, _RSA, der(3, b"\0" + public_pkcs1(r)))


def public_pkcs1(r: random.Random) -> bytes:
    return der(0x30, number(r, 256), der(2, b"\1\0\1"))


def public_ec(r: random.Random) -> bytes:
    algorithm = der(0x30, oid(bytes.fromhex("2a8648ce3d0201")), _CURVE)
    return der(0x30, algorithm, der(3, b"\0\4" + r.randbytes(64)))


def signed(r: random.Random) -> bytes:
    """Certificates alone (PKCS#7)."""
    content = der(
        0x30, small(1), der(0x31), der(0x30, oid(PKCS, b"\7\1")), der(0xA0, certificate(r))
    )
    return der(0x30, oid(PKCS, b"\7\2"), der(0xA0, content))


def asked_of_a_router(r: random.Random) -> bytes:
    """SNMP v2c: a version of one, and octets."""
    asked = der(0xA0, number(r, 4), small(0), small(0), der(0x30))
    return der(0x30, small(1), der(4, b"public to everybody who asks me!"), asked) + r.randbytes(9)


def _store(r: random.Random, bag: bytes) -> bytes:
    safe = der(0x30, der(0x30, oid(PKCS, b"\7\1"), der(0xA0, der(4, der(0x30, bag)))))
    content = der(0x30, oid(PKCS, b"\7\1"), der(0xA0, der(4, safe)))
    digest = der(
        0x30, der(0x30, oid(bytes.fromhex("2b0e03021a")), b"\5\0"), der(4, r.randbytes(20))
    )
    return der(0x30, small(3), content, der(0x30, digest, der(4, r.randbytes(8)), number(r, 2)))


def pkcs12(r: random.Random) -> bytes:
    return _store(r, der(0x30, oid(PKCS, b"\x0c\x0a\1\2"), der(0xA0, encrypted(r))))


def pkcs12_of_certificates(r: random.Random) -> bytes:
    held = der(0x30, oid(PKCS, b"\x09\x16\1"), der(0xA0, der(4, certificate(r))))
    return _store(r, der(0x30, oid(PKCS, b"\x0c\x0a\1\3"), der(0xA0, held)))


def pkcs12_of_java(r: random.Random) -> bytes:
    """As BER has it, without lengths."""
    inner = der(4, der(0x30, der(0x30, oid(PKCS, b"\7\6"), der(0xA0, r.randbytes(900)))))
    return (
        b"\x30\x80" + small(3) + b"\x30\x80" + oid(PKCS, b"\7\1") + b"\xa0\x80" + inner + bytes(6)
    )


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _java(magic: str, entries: list[bytes]) -> bytes:
    return bytes.fromhex(magic) + struct.pack(">II", 2, len(entries)) + b"".join(entries)


def _java_certificate(r: random.Random) -> bytes:
    held = certificate(r)
    return (
        struct.pack(">I", 2) + _text("ca") + struct.pack(">Q", 1_790_000_000_000)
        + _text("X.509") + struct.pack(">I", len(held)) + held
    )  # fmt: skip


def jks(r: random.Random) -> bytes:
    key = encrypted(r)
    entry = struct.pack(">I", 1) + _text("server") + struct.pack(">QI", 1 << 40, len(key)) + key
    return _java("feedfeed", [_java_certificate(r), entry + struct.pack(">I", 0)]) + r.randbytes(20)


def jks_of_certificates(r: random.Random) -> bytes:
    return _java("feedfeed", [_java_certificate(r) for _ in range(3)]) + r.randbytes(20)


def jceks(r: random.Random) -> bytes:
    entry = struct.pack(">I", 3) + _text("aes") + struct.pack(">Q", 1 << 40) + r.randbytes(300)
    return _java("cececece", [entry]) + r.randbytes(20)


def kdbx(r: random.Random) -> bytes:
    return bytes.fromhex("03d9a29a67fb4bb500000400") + r.randbytes(900)


def _mpi(r: random.Random, bits: int) -> bytes:
    return struct.pack(">H", bits) + bytes((r.randrange(128, 256),)) + r.randbytes(bits // 8 - 1)


def _packet(tag: int, body: bytes) -> bytes:
    return bytes((0x80 | tag << 2 | 1,)) + struct.pack(">H", len(body)) + body


def ring(r: random.Random) -> bytes:
    """A secret key of OpenPGP, a name and a subkey."""
    public = b"\4" + struct.pack(">I", 1_750_000_000) + b"\1" + _mpi(r, 2048) + _mpi(r, 24)
    protected = b"\xfe\7\3\x02" + r.randbytes(9) + r.randbytes(680)
    name = b"Jane <jane@example.org>"
    return (
        _packet(5, public + protected)
        + b"\xb4"
        + bytes((len(name),))
        + name
        + _packet(7, public + protected)
    )


def public_ring(r: random.Random) -> bytes:
    public = b"\4" + struct.pack(">I", 1_750_000_000) + b"\1" + _mpi(r, 2048) + _mpi(r, 24)
    return _packet(6, public) + b"\xb4\x17Jane <jane@example.org>" + _packet(2, r.randbytes(300))


def gnupg(r: random.Random) -> bytes:
    """`private-keys-v1.d/KEYGRIP.key`."""
    return b"(21:protected-private-key(3:rsa(1:n257:\0" + r.randbytes(256) + b")(1:e3:\1\0\1)))"


def openssh(r: random.Random) -> bytes:
    none = struct.pack(">I", 4) + b"none"
    public = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + r.randbytes(32)
    return (
        b"openssh-key-v1\0" + none + none + struct.pack(">II", 0, 1)
        + struct.pack(">I", len(public)) + public + struct.pack(">I", 136) + r.randbytes(136)
    )  # fmt: skip


def openssh_public(r: random.Random) -> bytes:
    return struct.pack(">I", 7) + b"ssh-rsa" + struct.pack(">I", 257) + b"\0" + r.randbytes(256)


def windows(r: random.Random) -> bytes:
    return (
        bytes.fromhex("0702000000a40000")
        + b"RSA2"
        + struct.pack("<II", 2048, 65537)
        + r.randbytes(1100)
    )


def windows_public(r: random.Random) -> bytes:
    return (
        bytes.fromhex("0602000000a40000")
        + b"RSA1"
        + struct.pack("<II", 2048, 65537)
        + r.randbytes(256)
    )


def pvk(r: random.Random) -> bytes:
    head = struct.pack("<6I", 0xB0B5F11E, 0, 1, 0, 0, 1172)
    return head + windows(r)


def keychain(r: random.Random) -> bytes:
    return b"kych\0\1\0\0\0\0\0\x14" + r.randbytes(900)


def keytab(r: random.Random) -> bytes:
    body = b"\0\1" + _text("EXAMPLE.ORG") + _text("jane") + r.randbytes(50)
    return b"\5\2" + struct.pack(">i", len(body)) + body


def password_safe(r: random.Random) -> bytes:
    return b"PWS3" + r.randbytes(600)


Make = Callable[[random.Random], bytes]
KEYS: tuple[Make, ...] = (
    pkcs1, pkcs8, ed25519, ed25519_with_public, sec1, sec1_alone, dsa, encrypted, encrypted_of_old,
    pkcs12, pkcs12_of_java, openssh, kdbx, gnupg,
)  # fmt: skip
"""Found wherever they lie in a file."""
FILES: tuple[Make, ...] = (
    *KEYS, jks, jceks, ring, windows, pvk, keychain, keytab, password_safe,
)  # fmt: skip
"""Found as a file, a member of an archive, or base64."""
OPEN: tuple[Make, ...] = (
    certificate, request, revoked, public_key, public_pkcs1, public_ec, signed, asked_of_a_router,
    pkcs12_of_certificates, jks_of_certificates, public_ring, openssh_public, windows_public,
)  # fmt: skip
"""Made of the same, and no secret."""
