"""What killed runs left in the cache of fetched datasets goes, once it is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

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
