"""Secrets in other letters than base64's, one letter a line, in tags of films; what only looks so
is left alone, and takes no time."""

from __future__ import annotations

import io
import random
import zlib

import pytest

from hubtools.dataset.pictures.private.reading import private_of
from hubtools.leaks.packed import packed
from hubtools.publish.contents import Kind, scan
from tests.security.secrets_corpus import _behind_pixels, _matroska, _png

TOKEN = "h" + "f_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"
CAPTION = "a photo of a man in a red jacket, looking at the viewer\n"


def kinds(data: bytes) -> set[Kind]:
    return {leak.kind for leak in scan("file", io.BytesIO(data), len(data))}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [0, 2000])
def test_one_letter_a_line(end: str, count: int) -> None:
    data = CAPTION * count + end.join(TOKEN) + end + CAPTION * count
    assert Kind.SECRET in kinds(data.encode())


def test_the_name_of_a_tag_counts() -> None:
    assert Kind.SECRET in kinds(_matroska(b"API_KEY", TOKEN[3:].encode()))
    assert Kind.SECRET not in kinds(_matroska(b"TITLE", b"a holiday by the sea, long ago"))


@pytest.mark.parametrize("name", [b"LOCATION", b"LOCATION-eng"])
def test_the_place_of_a_film(name: bytes) -> None:
    data = _matroska(name, b"+48.1372+011.5755/")
    assert private_of(data).gps
    assert kinds(data) & {Kind.PLACED, Kind.GPS}
    assert not private_of(_matroska(name, b"at home")).gps


def test_long_uuencoded_lines_without_their_beginning() -> None:
    import binascii

    data = b"".join(
        binascii.b2a_uu(part) for part in (b"x" * 45, (TOKEN + " " * 99).encode()[:45], b"y" * 45)
    )
    assert Kind.SECRET in kinds(data)


@pytest.mark.parametrize(
    "text",
    [
        "begin 644 \n" * 20_000,
        "begin 644 a\n" + "M" + "`" * 60 + "\n",
        ("M" + "A" * 60 + "\n") * 4_000,
        "<~" * 100_000,
        "b85" * 100_000,
        "literal 1\n" * 50_000,
        "base85 = " + "!" * 100_000,
        "a\n" * 200_000,
    ],
)
def test_what_only_looks_like_it_takes_linear_time(text: str) -> None:
    assert Kind.SECRET not in kinds(text.encode())
    assert sum(1 for _ in packed(text)) < 100_000


def test_bombs_and_nests_behind_pixels() -> None:
    bomb = _behind_pixels(zlib.compress(bytes(60_000_000)))
    assert Kind.SECRET not in kinds(bomb)
    data = TOKEN.encode()
    for _ in range(20):
        data = _behind_pixels(zlib.compress(data))
    assert Kind.UNREAD in kinds(data)  # too deep: told


def test_pictures_that_are_damaged_are_no_error() -> None:
    r = random.Random(3)
    whole = _png(b"prVt", b"\1" * 40)
    for _ in range(200):
        data = bytearray(whole)
        data[r.randrange(len(data))] = r.randrange(256)
        assert Kind.SECRET not in kinds(bytes(data[: r.randrange(30, len(data))]))
