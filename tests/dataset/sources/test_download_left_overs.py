"""What killed runs left in the cache of fetched datasets goes, once it is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hubtools.dataset.sources import download
from hubtools.dataset.sources.download import sweep


def test_old_half_unpacked_folders_go(tmp_path: Path) -> None:
    for name, age in ((".tmp-old", 2 * 86_400), (".tmp-new", 60), ("0123abcd", 9 * 86_400)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "000000.png").write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "home").mkdir()
    (tmp_path / ".tmp-link").symlink_to("home")
    sweep(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".tmp-link", ".tmp-new", "0123abcd", "home"]


def test_what_another_process_has_unpacked_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "cache_dir", lambda: tmp_path)

    def unpacked(folder: Path, shards: list[str], target: Path) -> None:
        (target / "mine").touch()
        (target.parent / "commit").mkdir()
        (target.parent / "commit/theirs").touch()

    monkeypatch.setattr(download, "_unpack", unpacked)
    place = download._unpacked(tmp_path, [], "me/x", "commit")
    assert [one.name for one in place.iterdir()] == ["theirs"]
    assert not list(place.parent.glob(".tmp-*"))
