"""What is packed is no text: pixels, archives and weights hold every short word by chance."""

from __future__ import annotations

import base64
import io
import random
import re

import pytest
from PIL import Image

from hubtools.leaks import stream
from hubtools.leaks.stream import search
from hubtools.leaks.text import secrets
from hubtools.publish.contents import scan

# Of random bytes, with what stood around: each was told as a password beside its name.
ONCE = [
    b"\x8c\x01pw:'d.B53<.ZUZ\x9f\x00\x12",
    b"\x00\xfe\x81PW=\x8bYKU6Odult\xc3\x00",
    b"\xd0pwd:\x9cs\xd6g4\x81\xd9\xb4U\xf1\xa8\x8c\x94/\xb3\xf4\x04.\x17\xa6;^B.\xc9\xe9\x00",
]


@pytest.mark.parametrize("told", ONCE)
@pytest.mark.parametrize("seed", range(3))
def test_words_among_random_bytes_tell_nothing(told: bytes, seed: int) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(30_000) + told + chance.randbytes(30_000)
    assert [found.secret for found in search(io.BytesIO(data)) if found.secret] == []


@pytest.mark.parametrize(
    ("told", "is_one"),
    [
        (b"\xb5\xbbgy8;A:/lc9/We:k\x0b\xbb", False),  # of 93 MB of weights
        (b"\x8c\xbb:q9dE:\\\xf1\x8c<\\kkd:9 1z\xbb\x02", False),
        (b"\0D:/train/jane\0\x12", True),
        (b"made of D:\\a\\b.psd by me\0", True),
        (b"\0/home/jo/a/b/c.png\0\xff", True),
    ],
)
def test_paths_among_random_bytes(told: bytes, is_one: bool) -> None:
    chance = random.Random(5)
    data = chance.randbytes(30_000) + told + chance.randbytes(30_000)
    assert bool([found.path for found in search(io.BytesIO(data)) if found.path]) is is_one


def test_megabytes_of_random_bytes_hold_no_secret() -> None:
    chance = random.Random(1)
    for _ in range(3):
        data = chance.randbytes(4 << 20)
        assert [found.secret for found in search(io.BytesIO(data)) if found.secret] == []


def test_small_files_are_read_where_long_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    chance, read = random.Random(3), list[str]()
    monkeypatch.setattr(stream, "_in_region", lambda text, *_: read.append(text) or ())
    bare = 0
    for number in range(600):
        data = bytearray(chance.randbytes(chance.choice((0, 7, 8, 9, 24, 131))))
        place = chance.randrange(len(data) + 1)
        run = bytes(chance.choices(b"abcXYZ019_=:/", k=chance.randrange(20)))
        if number % 3 == 0:
            run = b"".join(bytes((one,)) + bytes(chance.choice((0, 1, 3))) for one in run)
        elif number % 3 == 1:
            run = chance.choice((run, chance.choice(stream._UNUSUAL)))
        data[place:place] = run
        told = []
        for whole in (1 << 14, -1):  # as a small file, and as a long one
            monkeypatch.setattr(stream, "_WHOLE", whole)
            read.clear()
            assert not list(stream._in_window(bytes(data), False, None))
            told.append(list(read))
        assert told[0] == told[1]
        bare += not told[0]
    assert 100 < bare < 500


def _jpeg(side: int) -> bytes:
    pixels = random.Random(side).randbytes(768)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (16, 16), pixels).resize((side, side)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_what_jpeg_files_have_in_common_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    data, read = _jpeg(200), list[str]()
    real = stream.secrets
    monkeypatch.setattr(stream, "_EMPTY", set())
    monkeypatch.setattr(stream, "secrets", lambda text, *a, **b: read.append(text) or real(text))
    assert not list(search(io.BytesIO(data)))
    assert not any("cdefghij" in text for text in read)  # the codes
    assert len(read) == 1  # the factors of this quality
    assert not list(search(io.BytesIO(data)))
    assert len(read) == 1


def test_what_is_packed_is_asked_about_each_time() -> None:
    text = b"\x00\xff\x80" + base64.b64encode(random.Random(5).randbytes(60)) + b"\x00\xfe\x90"
    asked: list[bytes] = []
    assert not list(search(io.BytesIO(text)))
    for _ in range(2):
        asked.clear()
        list(search(io.BytesIO(text), nested=lambda data: asked.append(data) or iter(())))
        assert asked


@pytest.mark.parametrize("side", [8, 64, 200])  # of one, two and thirty thousand bytes
@pytest.mark.parametrize("beside", ["first", "second", "behind"])
def test_a_secret_beside_the_codes_of_a_jpeg_is_found(side: int, beside: str) -> None:
    data = _jpeg(side)
    tables = [at.start() for at in re.finditer(rb"\xff\xc4", data)]
    place = {"first": tables[1], "second": tables[3], "behind": tables[3] + 183}[beside]
    secret = b"api_key = 'q8ZtR2mW9xKc4VbN7yHd'"
    found = search(io.BytesIO(data[:place] + secret + data[place:]))
    assert {one.secret.value for one in found if one.secret} == {"q8ZtR2mW9xKc4VbN7yHd"}


@pytest.mark.parametrize(
    "text",
    [
        "password: Xk7#mQ92vLp!",
        "api_key = 'q8ZtR2mW9xKc4VbN7yHd'",
        'db_password="c0rrect-h0rse-8attery"',
    ],
)
def test_a_text_among_them_does(text: str) -> None:
    chance = random.Random(2)
    data = chance.randbytes(5000) + b"\0" + text.encode() + b"\0" + chance.randbytes(5000)
    assert any(leak.kind.value == "secret" for leak in scan("file", io.BytesIO(data), len(data)))


def test_a_mark_of_rich_text_before_what_is_none_is_no_reason_to_fail() -> None:
    assert list(secrets("{\\\0 and more, password: Xk7#mQ92vLp!"))
