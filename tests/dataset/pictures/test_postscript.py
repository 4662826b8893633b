"""PostScript is a program: nothing runs it, whatever it is called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 20 20
%%EndComments
0 0 20 20 rectfill
%%EOF
"""


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("validate", "."), 3),
        (("fix", ".", "--dry-run", "--unsafe", "convert,remove-damaged"), 0),
        (("inspect", ".", "--all", "--pictures", "2", "--draw", "blocks"), 0),
        (("caption", ".", "--template", "{stem}", "--dry-run"), None),
        (("shard", ".", "--to", "../shards"), None),
    ],
)
def test_no_command_runs_it(good: Path, command: tuple[str, ...], code: int | None) -> None:
    (good / "2.png").write_bytes(EPS)
    (good / "0.eps").write_bytes(EPS)
    ran = good.parent / "ran"
    programs = good.parent / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho run >> {ran}\n")
    (programs / "gs").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "hubtools", *command],
        cwd=good,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert not ran.exists(), done.stderr
    assert code is None or done.returncode == code, done.stdout + done.stderr
    if command[0] == "validate":
        assert "2.png: error D302: this is a PostScript drawing, not a picture" in done.stdout
