"""What is packed behind a text, an array or weights, however long these are: what crawlers, logs
and archives that unpack themselves write."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable

import numpy
import pytest

from hubtools.publish.contents import Kind, containers, scan

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xYzAbCd"
NOTE = b"some words about it, and the token " + TOKEN.encode() + b" of mine, and further words\n"
LINE = b"a line of plain text, as long as it is: 8x(hXH, x^ and h\xc3\x9f\n"
HEADS = {
    "a short text": LINE * 12,
    "a long one": LINE * 200,
    "a very long one": LINE * 40_000,
    "a header of the web": b"WARC/1.0\r\n" + b"software: a crawler\r\n" * 400,
    "letters of another language": bytes(range(128, 256)) * 40,
    "wide letters": "a line of text\n".encode("utf-16") * 400,
    "colours of a terminal": b"\x1b[1;31mred\x1b[0m words\b\b\n" * 400,
    "a text with a zero": LINE * 300 + b"\0" + LINE * 300,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def read(data: bytes, name: str = "crawl.txt") -> list[tuple[Kind, str]]:
    return [(leak.kind, leak.secret) for leak in scan(name, io.BytesIO(data), len(data))]


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("head", HEADS)
def test_a_stream_behind_a_text_is_unpacked(head: str, packed: str) -> None:
    data = HEADS[head] + PACKED[packed](NOTE)
    assert (Kind.SECRET, TOKEN) in read(data)
    assert (Kind.SECRET, TOKEN) in read(data + LINE * 300)


@pytest.mark.parametrize("packed", PACKED)
def test_so_is_one_in_a_member_of_an_archive(packed: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("crawl.warc", HEADS["a long one"] + PACKED[packed](NOTE))
    assert (Kind.SECRET, TOKEN) in read(out.getvalue(), "crawl.zip")


@pytest.mark.parametrize(
    "begin",
    [
        b"7z\xbc\xaf\x27\x1c\0\4",
        b"Rar!\x1a\x07\1\0",
        b"Salted__12345678\0\1",
        b"\x28\xb5\x2f\xfd\x24\x3a\xd1\1\0",
    ],
)
def test_what_cannot_be_opened_behind_a_text_is_told(begin: bytes) -> None:
    assert Kind.UNREAD in dict(read(HEADS["a long one"] + begin + bytes(range(256)) * 4))


@pytest.mark.parametrize("head", HEADS)
def test_a_text_alone_says_nothing(head: str) -> None:
    assert read(HEADS[head]) == []
    assert read(HEADS[head] + b"\0" + HEADS[head]) == []


@pytest.mark.parametrize(
    "line", [b"hxhxx^x^(h8X8O\n", b"x^x\x9cx\xda\n", b"BZh91AY&SY is how it begins\n"]
)
def test_letters_that_look_like_a_beginning_cost_little(line: bytes) -> None:
    data = line * 100_000
    start = time.process_time()
    assert read(data) == []
    plain = time.process_time() - start
    start = time.process_time()
    assert read(data + b"\0\n") == []
    assert time.process_time() - start < 3 * plain + 1


def array() -> bytes:
    out = io.BytesIO()
    numpy.save(out, numpy.arange(3000, dtype="f4").reshape(30, 100))
    return out.getvalue()


def weights(gap: bytes = b"") -> bytes:
    numbers = random.Random(1).randbytes(400)
    second = 400 + len(gap)
    header = (
        f'{{"a":{{"dtype":"F32","shape":[100],"data_offsets":[0,400]}},'
        f'"b":{{"dtype":"F32","shape":[100],"data_offsets":[{second},{second + 400}]}}}}'
    ).encode()
    return struct.pack("<Q", len(header)) + header + numbers + gap + numbers


@pytest.mark.parametrize("packed", PACKED)
def test_a_stream_behind_an_array_or_between_weights_is_unpacked(packed: str) -> None:
    stream = PACKED[packed](NOTE)
    assert (Kind.SECRET, TOKEN) in read(array() + stream, "a.npy")
    assert (Kind.SECRET, TOKEN) in read(weights(stream), "a.safetensors")
    assert (Kind.SECRET, TOKEN) in read(weights() + stream, "a.safetensors")
    assert read(array(), "a.npy") == []
    assert read(weights(), "a.safetensors") == []


LONG = {
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(9_000), True),
    "a text": (LINE * 400, True),
    "a text alone": (LINE * 400, False),
    "letters of another language alone": (bytes(range(128, 256)) * 200, False),
    "a picture": (b"\xff\xd8\xff\xe0" + bytes(9_000), True),
    "bytes": (random.Random(2).randbytes(9_000), True),
}


@pytest.mark.parametrize("kind", LONG)
def test_what_is_packed_in_a_long_member_is_told(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "HELD", 5_000)
    head, told = LONG[kind]
    data = head + (zlib.compress(NOTE) if told else b"")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        facts = tarfile.TarInfo("a.bin")
        facts.size = len(data)
        archive.addfile(facts, io.BytesIO(data))
    assert [kind for kind, _ in read(out.getvalue(), "a.tar")] == [Kind.UNREAD] * told
