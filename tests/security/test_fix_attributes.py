"""What a file has beside its bytes is the user's too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.settings import DatasetSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="extended attributes of Linux")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo with a position, a tag and, if somebody may give it away, an owner."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.5), 3: "E", 4: (11.0, 34.0, 30.1)})
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (64, 64), (9, 80, 9)).save(photo, exif=exif)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "a (tok) wall"}\n')
    photo.chmod(0o640)
    try:
        os.setxattr(photo, "user.tag", b"mine")
    except OSError:
        pytest.skip("no extended attributes here")
    if os.geteuid() == 0:
        os.chown(photo, 12_345, 54_321)
    return tmp_path


def beside(photo: Path) -> tuple[int, int, int, bytes]:
    facts = photo.stat()
    return facts.st_mode, facts.st_uid, facts.st_gid, os.getxattr(photo, "user.tag")


def test_an_edited_file_keeps_them_and_so_does_undo(photos: Path) -> None:
    photo = photos / "a.jpg"
    before, data = beside(photo), photo.read_bytes()
    fix(photos, DatasetSettings(), select=["D701"])
    assert photo.read_bytes() != data
    assert beside(photo) == before
    undo_fix(photos)
    assert photo.read_bytes() == data
    assert beside(photo) == before
