"""Programs that daemons start with closed standard streams."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawing import write_pictures


@pytest.mark.parametrize("closed", [">&-", ">&- <&-", ">&- <&- 2>&-"])
def test_closed_streams_are_nobody_s_file(tmp_path: Path, closed: str) -> None:
    write_pictures(tmp_path / "set", 2)
    rows = (
        '{"file_name": "picture0.png", "text": "a"}\n{"file_name": "picture1.png", "text": "b"}\n'
    )
    (tmp_path / "set" / "metadata.jsonl").write_text(rows)
    before = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    run = f"{shlex.quote(sys.executable)} -m hubtools inspect set --resolution 64 {closed}"
    done = subprocess.run(["sh", "-c", run], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert "bug" not in done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before
