"""Small files that would keep a command busy for hours, or fill the memory: each took far longer
than the suite may take."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.patterns import resolve
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.publish.contents import Kind, scan
from tests.drawing import write_pictures
from tests.typed import typed

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from fuzz import OWN
from hostile import memory

pytestmark = pytest.mark.timeout(600)

SUB_IFDS, EXIF_IFD, SERIAL, DESCRIPTION = 0x014A, 0x8769, 0xA431, 0x010E


def many_places(wide: int) -> bytes:
    """Five lists of tags, each of which names the next one so many times."""
    out = bytearray(b"II*\0\x08\0\0\0")
    for _ in range(4):
        places = len(out) + 18
        entry = struct.pack("<HHII", SUB_IFDS, 4, wide, places)
        following = struct.pack("<I", places + 4 * wide)
        out += struct.pack("<H", 1) + entry + bytes(4) + following * wide
    return bytes(out) + bytes(6)


def many_entries(wide: int) -> bytes:
    """The same, with so many entries."""
    out = bytearray(b"II*\0\x08\0\0\0")
    for _ in range(4):
        following = len(out) + 2 + 12 * wide + 4
        entry = struct.pack("<HHII", EXIF_IFD, 4, 1, following)
        out += struct.pack("<H", wide) + entry * wide + bytes(4)
    return bytes(out) + bytes(6)


def same_bytes(tag: int) -> Callable[[int], bytes]:
    """Entries that all have the same long value."""

    def made(wide: int) -> bytes:
        size, place = 12 * wide, 8 + 2 + 12 * wide + 4
        entry = struct.pack("<HHII", tag, 2, size, place)
        head = b"II*\0\x08\0\0\0" + struct.pack("<H", wide)
        return head + entry * wide + bytes(4) + b"a" * size

    return made


@pytest.mark.parametrize(
    "made", [many_places, many_entries, same_bytes(SERIAL), same_bytes(0x010E)]
)
def test_tags_that_name_the_same_again_and_again(made: Callable[[int], bytes]) -> None:
    data = made(6_000)
    with memory.Watch() as watch:
        assert not private_of(data).gps
        told = [leak.kind for leak in scan("a.tif", io.BytesIO(data), len(data))]
    assert watch.own <= OWN
    assert Kind.SECRET not in told


def test_texts_that_are_cut_off_are_told() -> None:
    data = same_bytes(DESCRIPTION)(6_000)
    told = [leak.kind for leak in scan("a.tif", io.BytesIO(data), len(data))]
    assert told == [Kind.UNREAD]


def test_a_picture_of_packed_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubtools.dataset.pictures.private.reading.PICTURE_TEXTS", 1_000_000)

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum32 = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum32)

    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(b"a b c de f " * 30_000))
    data = header + text * 7 + chunk(b"IEND", b"")
    with memory.Watch() as watch:
        told = {leak.kind for leak in scan("a.png", io.BytesIO(data), len(data))}
        assert not private_of(data).there
    assert watch.own <= OWN
    assert told == {Kind.UNREAD}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("**/" + "*a" * 30 + "b.png", "a" * 120 + ".png"),
        ("**/a/" * 20 + "b.png", "a/" * 60 + "a.png"),
        ("**/*a*b/" * 12 + "b.png", "ab/" * 60 + "a.png"),
        ("*[!a]" * 4 + "c", "ab" * 60),
    ],
)
def test_patterns_of_a_card(pattern: str, name: str) -> None:
    assert resolve(pattern, [name, "b/c.png"]) == []


def test_many_stars_beside_a_set_that_fits_a_slash() -> None:
    with pytest.raises(LoadError, match="more than 4 stars"):
        resolve("*[!a]" * 20 + "c", ["ab" * 60])


def test_a_pattern_of_a_card_ends(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    table = tmp_path / "metadata.jsonl"
    table.write_text(table.read_text().replace("picture0", "a" * 100))
    (tmp_path / "picture0.png").rename(tmp_path / ("a" * 100 + ".png"))
    stars = "**/" + "*a" * 30 + "b.png"
    front = (
        f'---\nlicense: cc0-1.0\nconfigs:\n- config_name: default\n  data_files: "{stars}"\n---\n'
    )
    (tmp_path / "README.md").write_text(front + "# A set\n")
    done = typed("validate", tmp_path)
    assert done.returncode == 3
    assert "no data file matches" in done.stdout
